/** All that crosses to a decode thread and back: plain data. Faults go as values, because structured clone drops classes. */

import type { Size } from './geometry.ts';

/** How a stored picture is brought upright: mirrored from left to right first, then turned clockwise. */
export interface Turn {
  readonly mirrored: boolean;
  readonly degrees: 0 | 90 | 180 | 270;
}

/** One picture to be decoded into one row. */
export interface DecodeTask {
  /** The encoded picture: shared, or all of a buffer that changes hands. */
  readonly file: Uint8Array;
  /** As stored, by the header: whatever else the decoder finds is a lie. */
  readonly stored: Size;
  /** Whether it is wanted in one channel. */
  readonly gray: boolean;
  /** Most channels that the decoder may find. */
  readonly channels: number;
  readonly turn: Turn;
  /** Size to which the decoder brings the stored picture, for pipelines that need not be exact; null = its own. */
  readonly shrunk: Size | null;
  /** libvips' name of the filter for that. */
  readonly kernel: 'linear' | 'cubic' | 'lanczos3';
  /** For `imageToTensor`; the source's channels are filled in when they are known. */
  readonly ints: Int32Array;
  readonly floats: Float64Array;
  /** Byte of the arena where the row begins. */
  readonly target: number;
}

/** What a decode thread answers: how long it took, microseconds, or why there is no picture (for the log only). */
export type DecodeReply = { readonly fault: null; readonly tookUs: number } | { readonly fault: string };

/** What a decode thread is born with. */
export interface DecodeThreadData {
  readonly arena: SharedArrayBuffer;
  /** 0 = loaders are as libvips has them, 1 = being blocked, 2 = blocked; shared by all threads of the process. */
  readonly gate: Int32Array;
  /** One of `ROW`, of the picture that runs: the thread takes the row before it writes there, or whoever gives up closes it. */
  readonly row: Int32Array;
}

/** Whose a row is: nobody's yet, the thread's, or not the thread's any more. */
export const ROW = { open: 0, taken: 1, closed: 2 } as const;
