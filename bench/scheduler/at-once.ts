/**
 * What a smooth server finishes in time that never lets a lane idle while somebody waits, as the gateway's scheduler does not:
 * the first of a burst take the free lanes with batches of one, and the others wait for the end of these. Where a row alone
 * takes as long as a batch, that is a whole batch of every lane lost per burst, whoever schedules.
 */

import type { World } from './world.ts';

/** Lanes that run one row, and the others, which serve smoothly. */
class AtOnce {
  readonly #perUs: number;
  readonly #untilUs: number[];
  #backlog = 0;
  #nowUs = 0;

  /** @param perUs rows per microsecond of one lane that serves smoothly */
  constructor(lanes: number, perUs: number) {
    this.#perUs = perUs;
    this.#untilUs = new Array(lanes).fill(0);
  }

  /** Whether a request that arrives is finished by `deadlineUs`. @param oneUs time of a row alone */
  arrive(nowUs: number, deadlineUs: number, oneUs: number): boolean {
    this.#drain(nowUs);
    const idle = this.#backlog > 0 ? -1 : this.#untilUs.findIndex((us) => us <= nowUs);
    if (idle >= 0) {
      this.#untilUs[idle] = nowUs + oneUs;
      return nowUs + oneUs <= deadlineUs;
    }
    if (this.#servedBy(deadlineUs) < this.#backlog + 1) return false;
    this.#backlog++;
    return true;
  }

  #drain(nowUs: number): void {
    this.#backlog = Math.max(0, this.#backlog - this.#servedBy(nowUs));
    this.#nowUs = nowUs;
  }

  /** Rows that can be served from now on until then. */
  #servedBy(thenUs: number): number {
    let us = 0;
    for (const untilUs of this.#untilUs) us += Math.max(0, thenUs - Math.max(this.#nowUs, untilUs));
    return us * this.#perUs;
  }
}

/** Requests after the warm-up that it finishes inside the deadline, on a curve that does not shift. */
export function attainableAtOnce({ curve, lanes, arrivals, targetUs, warmUpUs }: World): number {
  const server = new AtOnce(lanes, curve.rowsPerS(1, targetUs / 2) / 1e6);
  let count = 0;
  for (const us of arrivals) if (server.arrive(us, us + targetUs, curve.at(1)) && us >= warmUpUs) count++;
  return count;
}
