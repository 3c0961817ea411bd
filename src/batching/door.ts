/** The door: whether a request whose body nobody has read would be taken, asked as who comes in asks. */

import { CLASS_WEIGHTS } from './flow.ts';
import type { PlanQueue } from './plan-queue.ts';
import type { Refusals } from './refusals.ts';
import type { Seating } from './seating.ts';
import type { Refusal, Traveller } from './travel.ts';

/** Of so many whom the door would turn away one is let in beside other flows: he may be of a class that his tenant has not sent yet. */
const LET_IN = 16;

/** Asks at one scheduler's door. */
export class Door<T extends Traveller> {
  readonly #seating: Seating<T>;
  readonly #refusals: Refusals<T>;
  /** Who was turned away, as far as he is known. */
  readonly #caller = { rows: 0, arrivalUs: 0, deadlineUs: 0 };
  /** Whom the door would have turned away. */
  #turnedAway = 0;

  constructor(seating: Seating<T>, refusals: Refusals<T>) {
    this.#seating = seating;
    this.#refusals = refusals;
  }

  /** Why such a request would be refused now; null where it would be taken. Whoever is refused has asked all the same. */
  foresee(
    queue: PlanQueue<T>,
    tenant: string,
    rows: number,
    bytes: number,
    deadlineUs: number,
    nowUs: number,
  ): Refusal | null {
    this.#refusals.deadlineUs = deadlineUs;
    const least = Math.max(1, rows);
    const refusal = this.#refusals.bounded(queue, rows, bytes, nowUs) ?? this.#unseated(queue, tenant, least, nowUs);
    if (refusal === null) return null;
    this.#turnAway(queue, tenant, Math.max(least, queue.usualRows), deadlineUs, nowUs);
    return refusal;
  }

  /** Who is taken at the door offers his rows when he arrives, who is refused has offered them all the same: as many as is usual. */
  #turnAway(queue: PlanQueue<T>, tenant: string, rows: number, deadlineUs: number, nowUs: number): void {
    const promised = deadlineUs !== Number.POSITIVE_INFINITY;
    const flow = queue.flows.atDoor(tenant);
    queue.offers(rows, promised, nowUs);
    queue.flows.offer(flow, rows, promised, nowUs);
    if (this.#refusals.aloneUs > deadlineUs) return;
    const caller = this.#caller;
    caller.rows = rows;
    caller.arrivalUs = nowUs;
    caller.deadlineUs = deadlineUs;
    queue.callers.learn(caller, flow, nowUs);
  }

  /** Whether there is no place in the plan for a request of a class that is not known yet: in none that the tenant has. */
  #unseated(queue: PlanQueue<T>, tenant: string, rows: number, nowUs: number): Refusal | null {
    const deadlineUs = this.#refusals.deadlineUs;
    if (deadlineUs === Number.POSITIVE_INFINITY || this.#refusals.aloneUs > deadlineUs) return null;
    const flow = queue.flows.atDoor(tenant);
    const kind = this.#seating.foresee(queue, flow, rows, deadlineUs, nowUs);
    if (kind === null) return null;
    const { predictedUs } = this.#seating;
    for (let level = 1; level <= CLASS_WEIGHTS.length; level++) {
      const other = queue.flows.known(tenant, level);
      if (other === null || other === flow) continue;
      if (this.#seating.foresee(queue, other, rows, deadlineUs, nowUs) === null) return null;
    }
    if (queue.flows.several && ++this.#turnedAway % LET_IN === 0) return null;
    this.#seating.passOver(queue);
    this.#seating.predictedUs = predictedUs;
    return this.#refusals.unseated(queue, kind, nowUs);
  }
}
