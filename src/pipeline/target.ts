/** A model version in service: everything the road needs of it, made once when it becomes READY. */

import type { Queue } from '../batching/travel.ts';
import { AnswerWriter } from '../codec/answer.ts';
import { HeadReader } from '../codec/head.ts';
import type { PlanModel } from '../codec/plan.ts';
import type { ServedFacts } from '../core/model.ts';
import { elementCount, rowBytes } from '../core/tensor.ts';
import type { TargetGauges, TargetMetrics } from '../metrics/target.ts';
import type { Arena } from '../native/arena.ts';
import type { Binding } from '../native/binding.ts';
import { RowRing } from '../native/row-ring.ts';
import type { PictureModel } from './picture-model.ts';
import { Usage } from './usage.ts';

/** What a target is made from. */
export interface TargetParts {
  readonly binding: Binding;
  readonly arena: Arena;
  readonly model: string;
  readonly version: string;
  readonly session: number;
  readonly facts: ServedFacts;
  readonly queue: Queue;
  readonly metrics: TargetMetrics;
  readonly jsonDepth: number;
  /** null = it takes tensors only. */
  readonly pictures: PictureModel | null;
}

/** Most bytes that a ring takes of the arena, and rows it has at most. */
const RING_BYTES = 32 * 1024 * 1024;
const RING_ROWS = 8192;
const RING_LEAST_ROWS = 4;

/** A model version in service. */
export class Target {
  readonly model: string;
  readonly version: string;
  readonly session: number;
  /** Replaced where the version moves or is given instances; its signature and batch cap never change. */
  facts: ServedFacts;
  readonly queue: Queue;
  readonly metrics: TargetMetrics;
  /** How busy it is, on all lanes. */
  readonly usage = new Usage();
  /** Bytes of rows that wait for their pictures to be decoded. */
  fillingBytes = 0;
  readonly pictures: PictureModel | null;
  /** What requests are planned for. */
  readonly planModel: PlanModel;
  readonly heads: HeadReader;
  readonly answers: AnswerWriter;
  readonly batched: boolean;
  /** Rows of fixed size side by side; null where shapes vary or the model never batches. */
  readonly ring: RowRing | null;
  /** Whether every output can be given a place before the run. */
  readonly placed: boolean;
  /** Bytes of a row of all inputs together; 0 where they vary, or the model never batches. */
  readonly #inputRowBytes: number;
  /** Bytes of a row of each output; -1 where they are not known ahead. */
  readonly outputRowBytes: readonly number[];

  constructor(parts: TargetParts) {
    const { facts } = parts;
    const { inputs, outputs } = facts.signature;
    this.model = parts.model;
    this.version = parts.version;
    this.session = parts.session;
    this.facts = facts;
    this.queue = parts.queue;
    this.metrics = parts.metrics;
    this.batched = facts.maxBatchSize > 0;
    this.pictures = parts.pictures;
    const { signature, maxBatchSize } = facts;
    this.planModel = { signature, maxBatchSize, pictures: parts.pictures?.input ?? null };
    this.heads = new HeadReader(parts.binding, this.planModel, parts.jsonDepth);
    this.answers = new AnswerWriter(parts.binding, parts.model, parts.version, this.batched, facts.labels);
    this.outputRowBytes = outputs.map((spec) => (this.batched ? rowBytes(spec) : fixedBytes(spec)));
    this.placed = this.outputRowBytes.every((bytes) => bytes >= 0);
    const rows = inputs.map(rowBytes);
    const fixedRows = this.batched && rows.every((bytes) => bytes >= 0);
    this.#inputRowBytes = fixedRows ? rows.reduce((sum, bytes) => sum + bytes, 0) : 0;
    this.ring = fixedRows && this.placed ? makeRing(parts.arena, [...rows, ...this.outputRowBytes]) : null;
  }

  /** Rows that so many bytes of tensors hold at least, before any of them is read: 1 where nobody can say. */
  leastRows(tensorBytes: number): number {
    if (this.#inputRowBytes === 0) return 1;
    return Math.max(1, Math.min(this.facts.maxBatchSize, Math.floor(tensorBytes / this.#inputRowBytes)));
  }

  /** What stands in it now. */
  gauges(): TargetGauges {
    const { queue, ring, heads, facts } = this;
    return {
      queueRows: queue.rows,
      queueBytes: queue.bytes,
      retries: queue.retries,
      instances: facts.instances,
      instancesMin: facts.instanceRange.min,
      instancesMax: facts.instanceRange.max,
      ring: ring === null ? null : { heldRows: ring.heldRows, capacityRows: ring.capacity },
      headHits: heads.hits,
      headMisses: heads.misses,
    };
  }

  /** Gives everything back; nothing may be under way. */
  dispose(): void {
    this.heads.dispose();
    this.ring?.dispose();
  }
}

function fixedBytes(spec: { shape: readonly number[]; datatype: { size: number } }): number {
  const elements = elementCount(spec.shape);
  return elements < 0 || spec.datatype.size === 0 ? -1 : elements * spec.datatype.size;
}

function makeRing(arena: Arena, rows: readonly number[]): RowRing | null {
  const perRow = rows.reduce((sum, bytes) => sum + bytes, 0);
  const capacity = Math.min(RING_ROWS, Math.floor(RING_BYTES / Math.max(1, perRow)));
  return capacity < RING_LEAST_ROWS ? null : RowRing.create(arena, rows, capacity);
}
