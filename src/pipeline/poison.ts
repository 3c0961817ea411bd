/**
 * Requests that killed two workers, by a digest of what they asked: the same one again would cost two more threads and
 * everybody's time while they are replaced. Nothing is hashed while the table is empty.
 */

import { createHash } from 'node:crypto';
import type { PlanEntry } from '../codec/head.ts';
import type { InferRequest } from './request.ts';

/** How long such a request is refused, microseconds. */
const REFUSED_FOR_US = 600_000_000;

/** Most requests that are remembered, the oldest makes room: stops a caller who finds ever new ones from taking memory. */
const MOST_POISONS = 256;

interface Poison {
  readonly session: number;
  readonly bytes: number;
  readonly untilUs: number;
}

/** The requests that are not run again. */
export class PoisonTable {
  readonly #arena: Uint8Array;
  readonly #poisons = new Map<string, Poison>();
  /** Entries; the only thing that a request costs while there are none. */
  size = 0;

  /** @param arena where the numbers of requests lie */
  constructor(arena: Uint8Array) {
    this.#arena = arena;
  }

  /** A request killed its second worker; its numbers are still in their place. */
  add(request: InferRequest, nowUs: number): void {
    const key = this.#digest(request);
    this.#poisons.delete(key);
    const { target, bytes } = request;
    this.#poisons.set(key, { session: target.session, bytes, untilUs: nowUs + REFUSED_FOR_US });
    if (this.#poisons.size > MOST_POISONS) this.#poisons.delete(this.#poisons.keys().next().value as string);
    this.size = this.#poisons.size;
  }

  /** Whether the same request killed two workers lately. Only what is as long as one that did is hashed. */
  holds(request: InferRequest, nowUs: number): boolean {
    let similar = false;
    for (const [key, { session, bytes, untilUs }] of this.#poisons) {
      if (untilUs <= nowUs) this.#poisons.delete(key);
      else similar ||= session === request.target.session && bytes === request.bytes;
    }
    this.size = this.#poisons.size;
    return similar && this.#poisons.has(this.#digest(request));
  }

  #digest(request: InferRequest): string {
    const { plan } = request.entry as PlanEntry;
    const hash = createHash('sha256').update(`${request.target.session}`);
    plan.inputs.forEach(({ dims }, i) => {
      hash.update(`;${dims.join()};`);
      const strings = request.strings[i];
      if (strings !== null) hash.update(JSON.stringify(strings));
      else hash.update(this.#arena.subarray(request.offsets[i], request.offsets[i] + request.sizes[i]));
    });
    return hash.digest('base64');
  }
}
