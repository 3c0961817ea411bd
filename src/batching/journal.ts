/** The last decisions with their reasons: numbers in a ring, made into sentences when somebody asks. */

import type { Decision } from '../core/scheduling.ts';
import type { Refusal, RefusalKind } from './travel.ts';

/** Decisions kept per model version. */
const KEPT = 64;

/** Why a batch was as large as it was. */
export type BatchReason = 'all' | 'share' | 'full' | 'deadline' | 'alone' | 'trial';

/**
 * Why somebody was not taken: the kind of his refusal; or of `queueRows` that his tenant has its share while others are about, or that
 * there are as many batches as are planned at once.
 */
export type RefusalReason = RefusalKind | 'tenantRows' | 'planned';

/** What waits. */
interface Waiting {
  readonly rows: number;
  readonly bytes: number;
  /** Batches. */
  readonly planned: number;
}

type Entry =
  | {
      kind: 'batch';
      atUs: number;
      rows: number;
      waitedUs: number;
      free: boolean;
      lane: number;
      left: number;
      reason: BatchReason;
    }
  | ({ kind: 'refused'; atUs: number; why: RefusalReason; predictedUs: number; leftUs: number } & Waiting)
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

  /**
   * A batch left.
   * @param waitedUs time since the first byte of its oldest request
   * @param free whether an instance was free from when somebody waited
   * @param left requests that go on waiting
   */
  batch(
    atUs: number,
    rows: number,
    waitedUs: number,
    free: boolean,
    lane: number,
    left: number,
    reason: BatchReason,
  ): void {
    this.#add({ kind: 'batch', atUs, rows, waitedUs, free, lane, left, reason });
  }

  /** Somebody was refused. At most one a millisecond is kept: a flood must not push everything else out. */
  refused(atUs: number, why: RefusalReason, { predictedUs, leftUs }: Refusal, waits: Waiting): void {
    if (atUs - this.#lastRefusalUs < 1000) return;
    this.#lastRefusalUs = atUs;
    const { rows, bytes, planned } = waits;
    this.#add({ kind: 'refused', atUs, why, predictedUs, leftUs, rows, bytes, planned });
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
    const { rows, lane, reason, waitedUs, free, left } = entry;
    const waited = `waited ${ms(waitedUs)}${free ? ', an instance was free' : ' for an instance'}`;
    return `batch of ${rows} on lane ${lane}: ${REASONS[reason]}; ${waited}; ${left} go on waiting`;
  }
  if (entry.kind === 'refused') return refusal(entry);
  if (entry.kind === 'dropped') return `ended ${entry.requests}: they could no longer be in time`;
  return `batches of up to ${entry.to} rows, ${entry.from} before`;
}

function refusal({ why, predictedUs, leftUs, rows, bytes, planned }: Extract<Entry, { kind: 'refused' }>): string {
  if (why === 'queueRows') return `refused by queueRows: ${rows} rows wait`;
  if (why === 'tenantRows') return `refused by its tenant's share of queueRows: ${rows} rows wait`;
  if (why === 'queueBytes') return `refused by queueBytes: ${bytes} bytes wait`;
  if (why === 'planned') return `refused: ${planned} batches are planned, as many as its model or its tenant may have`;
  if (why === 'lost') return 'refused: no instance is up';
  const cause = why === 'impossible' ? 'refused, impossible on any server' : 'refused';
  const finish =
    predictedUs < Number.POSITIVE_INFINITY ? `finish predicted ${ms(predictedUs)}` : 'no place in the plan';
  return `${cause}: ${finish}, deadline ${ms(leftUs)}`;
}

function ms(us: number): string {
  return `${us < 10_000 ? (us / 1000).toFixed(1) : Math.round(us / 1000)} ms`;
}
