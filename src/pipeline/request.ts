/** One inference request on its road, and what it needs of the wire it came by. */

import type { Batch, Traveller, TravelState } from '../batching/travel.ts';
import type { PlanEntry } from '../codec/head.ts';
import type { PictureWishes } from '../codec/picture-plan.ts';
import type { GatewayError } from '../core/error.ts';
import type { PictureWork } from './pictures.ts';
import type { Target } from './target.ts';

/** Where the answer goes: an HTTP exchange, a stream. Answered or failed exactly once, unless the caller went away first. */
export interface Reply {
  /**
   * The body as its caller would like it packed: a promise that never rejects, of what is to be answered in its place; null where it
   * is answered as it is. It is copied before this returns. @param jsonBytes as below
   */
  pack(body: Uint8Array, jsonBytes: number): Promise<Uint8Array> | null;
  /** @param jsonBytes length of the JSON part where binary data follow, else 0. The body is copied before this returns. */
  answer(body: Uint8Array, jsonBytes: number): void;
  fail(error: GatewayError): void;
}

/** A request from its first byte to its answer. Born with every field, so that all of them share one shape. */
export class InferRequest implements Traveller {
  readonly target: Target;
  readonly reply: Reply;
  readonly arrivalUs: number;
  deadlineUs = Number.POSITIVE_INFINITY;
  tenant = '';
  priority = 2;
  place: unknown = null;
  flow: unknown = null;
  entry: PlanEntry | null = null;
  /** The caller's id as JSON text; empty = none. */
  id = '';
  rows = 1;
  bytes = 0;
  shapeKey = '';
  alone = false;
  attempts = 0;
  state: TravelState = 'NEW';
  previous: this | null = null;
  next: this | null = null;
  /** First row in the target's ring, or -1. */
  ringRow = -1;
  /** Its own block of the arena, or -1. */
  block = -1;
  /** Byte offset in the arena per model input. */
  readonly offsets: number[];
  /** Bytes there per model input. */
  readonly sizes: number[];
  /** Whether the body is the one input's bytes and nothing else. */
  raw = false;
  /** What is said of the one picture that the body is; null where it is none. */
  picture: PictureWishes | null = null;
  /** Its pictures on their way into rows; null where tensors were sent, or nothing has come yet. */
  pictures: PictureWork | null = null;
  /** Per model input, for BYTES ones. */
  readonly strings: (string[] | null)[];
  /** Bytes of the binary tail taken so far. */
  tailBytes = 0;
  /** Whether a batch reads its memory now: it is given back when that batch has left. */
  boarded: Batch<InferRequest> | null = null;
  /** Microseconds from the first byte to the start of its batch, of the batch in ONNX Runtime, and to its answer. */
  queueUs = 0;
  runUs = 0;
  totalUs = 0;
  /** From its last byte until its pictures were rows; 0 where it brought tensors. */
  decodeUs = 0;
  /** Whether another thread reads or writes its memory. */
  held = false;

  constructor(target: Target, reply: Reply, arrivalUs: number) {
    this.target = target;
    this.reply = reply;
    this.arrivalUs = arrivalUs;
    // Of their full length at once: an empty array that is written to takes room for seventeen.
    const inputs = target.facts.signature.inputs.length;
    this.offsets = new Array(inputs);
    this.sizes = new Array(inputs);
    this.strings = new Array(inputs);
  }
}
