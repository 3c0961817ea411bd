/** Runs of a model on zeros while it is loaded: whether it takes batches, and how long they take. Nobody's request. */

import type { Clock } from '../core/clock.ts';
import { type Lane, RunError, type RunRequest, type RunResult } from '../core/instance.ts';
import { elementCount, type Signature } from '../core/tensor.ts';
import { type Arena, aligned } from '../native/arena.ts';
import { UnloadableError } from '../registry/repository.ts';
import type { TimedRun } from './profile.ts';

/** Batches of so many rows must find memory; larger ones may be left untried. */
const NEEDED_ROWS = 32;

/** Largest input of those, bytes: ONNX Runtime keeps what a run has taken, for ever. */
const MOST_BYTES = 16 * 1024 * 1024;

/** What trials work with. */
export interface TrialParts {
  readonly arena: Arena;
  readonly clock: Clock;
  readonly lane: Lane;
  readonly signature: Signature;
  readonly session: number;
}

/** A session on one lane that is tried out. */
export class Trial {
  readonly #parts: TrialParts;

  constructor(parts: TrialParts) {
    this.#parts = parts;
  }

  /**
   * One run on zeros (empty strings), free inner dimensions 1. Null where zeros are no valid input of this model, and where
   * a large batch needs much memory.
   * @param batched whether the first dimension is `rows`; else it is as the model says
   * @throws {UnloadableError} where the arena has no room for a batch of few rows
   */
  async run(rows: number, batched: boolean): Promise<(RunResult & TimedRun) | null> {
    const { arena, clock, lane } = this.#parts;
    const made = this.#emptyRun(rows, batched);
    if (made === null) return null;
    try {
      const startedUs = clock.nowUs();
      const result = await lane.run(made.run);
      return { ...result, us: Math.max(result.runUs, clock.nowUs() - startedUs) };
    } catch (error) {
      // Zeros may be no valid input of this model: then nothing is learned of it.
      if (error instanceof RunError) return null;
      throw error;
    } finally {
      arena.free(made.block);
    }
  }

  #emptyRun(rows: number, batched: boolean): { run: RunRequest; block: number } | null {
    const { arena, signature, session } = this.#parts;
    const dims = signature.inputs.map((spec) => spec.shape.map((d, i) => (i === 0 && batched ? rows : d < 0 ? 1 : d)));
    const sizes = signature.inputs.map((spec, i) => aligned(elementCount(dims[i] as number[]) * spec.datatype.size));
    const total = sizes.reduce((sum, size) => sum + size, 0);
    const needed = rows <= NEEDED_ROWS;
    if (!needed && total > MOST_BYTES) return null;
    const block = arena.allocate(total);
    if (block < 0 && !needed) return null;
    if (block < 0)
      throw new UnloadableError('the arena is too small for a batch of this model; raise limits.arenaBytes');
    arena.bytes.fill(0, block, block + total);
    let at = block;
    const inputs = signature.inputs.map((spec, i) => {
      const offset = at;
      at += sizes[i] as number;
      const count = elementCount(dims[i] as number[]);
      return { offset, dims: dims[i] as number[], strings: spec.datatype.size > 0 ? null : new Array(count).fill('') };
    });
    return { run: { session, inputs, outputs: signature.outputs.map(() => null) }, block };
  }
}
