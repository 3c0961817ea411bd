/** How a run goes while it goes: the figures, and the line that a terminal shows of them. */

import type { Loop } from './figures.ts';
import { loadName, plain, time, whole } from './units.ts';

const BAR_WIDTH = 10;
/** Longer lines wrap in many terminals, and could not be written over. */
const LINE_LENGTH = 119;

/** A run so far. Counts are since its start. */
export interface Progress {
  readonly elapsedS: number;
  readonly sent: number;
  readonly ok: number;
  readonly late: number;
  readonly refused: number;
  /** Requests without a whole answer. */
  readonly failed: number;
  readonly inFlight: number;
  /** How long the oldest of those that have no connection has waited, microseconds; 0 in a closed loop. */
  readonly waitingUs: number;
  /** Of 2xx so far, microseconds. */
  readonly p50: number;
  readonly p99: number;
}

/** One line of less than 120 characters: of what went wrong, what fits. @param totalS how long the run sends */
export function progressLine(progress: Progress, loop: Loop, totalS: number): string {
  const { elapsedS, ok, late, refused, failed, waitingUs, p50, p99 } = progress;
  const sending = Math.min(elapsedS, totalS);
  const bar = '#'.repeat(Math.round((sending / totalS) * BAR_WIDTH)).padEnd(BAR_WIDTH, '.');
  const line = [
    `[${bar}] ${plain(sending)}/${plain(totalS)} s`,
    loadName(loop),
    `good ${plain(ok / Math.max(elapsedS, 1e-6))}/s`,
    `p50 ${time(p50)}`,
    `p99 ${time(p99)}`,
  ].join('  ');
  const parts: string[] = [];
  if (late > 0) parts.push(`late ${whole(late)}`);
  if (refused > 0) parts.push(`refused ${whole(refused)}`);
  if (failed > 0) parts.push(`failed ${whole(failed)}`);
  if (waitingUs > 0) parts.push(`waiting ${time(waitingUs)}`);
  return parts.reduce((all, part) => (all.length + 2 + part.length > LINE_LENGTH ? all : `${all}  ${part}`), line);
}
