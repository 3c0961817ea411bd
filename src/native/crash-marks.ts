/**
 * What each lane runs, kept where it survives the death of the process: the supervisor reads it and learns which model
 * version was inside ONNX Runtime. One store before a batch and one after it; nothing per request.
 *
 *   file: [ slot per lane, uint32: session it runs, 0 = none; highest bit = its thread faulted ][ a JSON line per session ]
 */

import { writeSync } from 'node:fs';
import type { Binding } from './binding.ts';

/** Bytes of the slots; the lines begin behind them. */
export const MARK_BYTES = 4096;

/** Set by the thread that faulted (native/process/crash_marks.h). */
export const FAULT_BIT = 0x80000000;

/** Who a session is, as its line says it. */
export interface MarkedSession {
  readonly session: number;
  readonly model: string;
  readonly version: string;
  /** Digest of its files. */
  readonly files: string;
}

/** The marks of this process. */
export class CrashMarks {
  /** One per lane. */
  readonly slots: Uint32Array;
  readonly #file: number;
  #end = MARK_BYTES;

  /** @param file descriptor handed over by the supervisor; -1 where there is none, and then nothing is kept */
  constructor(binding: Binding, file: number) {
    this.#file = file;
    this.slots = file < 0 ? new Uint32Array(MARK_BYTES / 4) : binding.mapCrashMarks(file, MARK_BYTES / 4);
  }

  /** Whether anybody will read them. */
  get kept(): boolean {
    return this.#file >= 0;
  }

  /** Says who a session is, before it is loaded. */
  name(session: MarkedSession): void {
    if (this.kept) this.#end += writeSync(this.#file, `${JSON.stringify(session)}\n`, this.#end);
  }
}
