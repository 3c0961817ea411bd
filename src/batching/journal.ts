/** The last decisions with their reasons: numbers in a ring, made into sentences when somebody asks. */

import type { Decision } from '../core/scheduling.ts';
import type { Refusal } from './travel.ts';

/** Decisions kept per model version. */
const KEPT = 64;

/** Why a batch was as large as it was. */
export type BatchReason = 'all' | 'share' | 'full' | 'deadline' | 'alone' | 'trial';

type Entry =
  | { kind: 'batch'; atUs: number; rows: number; waitedUs: number; lane: number; left: number; reason: BatchReason }
  | { kind: 'refused'; atUs: number; predictedUs: number; leftUs: number; possible: boolean }
  | { kind: 'dropped'; atUs: number; requests: number }
  | { kind: 'size'; atUs: number; from: number; to: number };

const REASONS: Readonly<Record<BatchReason, string>> = {
  all: 'all that waited',
  share: 'shared with other free instances',
  full: 'as many as pays',
  deadline: 'as many as the deadlines allow',
  alone: 'runs alone',
  trial: 'runs to learn how long it takes, which seemed too long',
};

/** A ring of decisions. */
export class Journal {
  readonly #entries: (Entry | null)[] = new Array(KEPT).fill(null);
  #next = 0;
  #lastRefusalUs = Number.NEGATIVE_INFINITY;

  /** A batch left. @param waitedUs time its oldest request waited @param left requests that go on waiting */
  batch(atUs: number, rows: number, waitedUs: number, lane: number, left: number, reason: BatchReason): void {
    this.#add({ kind: 'batch', atUs, rows, waitedUs, lane, left, reason });
  }

  /** Somebody was refused. At most one a millisecond is kept: a flood must not push everything else out. */
  refused(atUs: number, { kind, predictedUs, leftUs }: Refusal): void {
    if (atUs - this.#lastRefusalUs < 1000) return;
    this.#lastRefusalUs = atUs;
    this.#add({ kind: 'refused', atUs, predictedUs, leftUs, possible: kind !== 'impossible' });
  }

  /** Requests were ended because they could no longer be in time. */
  dropped(atUs: number, requests: number): void {
    this.#add({ kind: 'dropped', atUs, requests });
  }

  /** Batches may have another size from now on. */
  size(atUs: number, from: number, to: number): void {
    this.#add({ kind: 'size', atUs, from, to });
  }

  /** Newest first. */
  decisions(): Decision[] {
    const found: Decision[] = [];
    for (let i = 1; i <= KEPT; i++) {
      const entry = this.#entries[(this.#next - i + KEPT) % KEPT];
      if (entry !== null && entry !== undefined) found.push({ atUs: entry.atUs, what: sentence(entry) });
    }
    return found;
  }

  #add(entry: Entry): void {
    this.#entries[this.#next] = entry;
    this.#next = (this.#next + 1) % KEPT;
  }
}

function sentence(entry: Entry): string {
  if (entry.kind === 'batch') {
    const waited = entry.waitedUs < 1000 ? 'waited 0: instance free' : `waited ${ms(entry.waitedUs)}: instances busy`;
    return `batch of ${entry.rows} on lane ${entry.lane}: ${REASONS[entry.reason]}; ${waited}; ${entry.left} go on waiting`;
  }
  if (entry.kind === 'refused') {
    const cause = entry.possible ? 'refused' : 'refused, impossible on any server';
    return `${cause}: finish predicted ${ms(entry.predictedUs)}, deadline ${ms(entry.leftUs)}`;
  }
  if (entry.kind === 'dropped') return `ended ${entry.requests}: they could no longer be in time`;
  return `batches of up to ${entry.to} rows, ${entry.from} before`;
}

function ms(us: number): string {
  return `${us < 10_000 ? (us / 1000).toFixed(1) : Math.round(us / 1000)} ms`;
}
