/** Schedulers that the benches drive without a server, by name, and the requests they are given. */

import type { Scheduler, Traveller, TravelState } from '../../src/batching/travel.ts';
import type { Curve } from '../../src/core/scheduling.ts';
import { ManualBatcher } from '../http/manual-batcher.ts';

/** A request of one row and nothing else; used again and again. */
export class BareTraveller implements Traveller {
  rows = 1;
  bytes = 3_136;
  shapeKey = '';
  arrivalUs = 0;
  deadlineUs = Number.POSITIVE_INFINITY;
  readonly tenant: string;
  priority = 1;
  alone = false;
  state: TravelState = 'NEW';
  place: unknown = null;
  previous: this | null = null;
  next: this | null = null;

  constructor(tenant = '') {
    this.tenant = tenant;
  }

  /** As a new request. @throws Error where it has not ended */
  again(arrivalUs: number, deadlineUs: number): void {
    if (this.state !== 'NEW' && this.state !== 'ENDED') throw new Error('this request is still under way');
    this.state = 'NEW';
    this.arrivalUs = arrivalUs;
    this.deadlineUs = deadlineUs;
  }
}

/** A curve that is known and learns nothing: what a scheduler costs must not hang on what it learns here. */
export function fixedCurve(us: (rows: number) => number): Curve {
  return {
    at: us,
    observe: () => undefined,
    mostRows: 1_024,
    revision: 0,
    spread: 0,
    shifts: 0,
    ignored: 0,
    points: () => [1, 8, 64].map((rows) => ({ rows, us: us(rows), batches: 0 })),
  };
}

/** By name: for so many lanes. */
export const SCHEDULERS: Readonly<Record<string, (lanes: number) => Scheduler<BareTraveller>>> = {
  manual: (lanes) => erased(new ManualBatcher(lanes, { rows: 32, delayUs: 0 }, () => undefined)),
};

/** A scheduler whose queues nobody looks into: whoever opens one gives back the same. */
function erased<T extends Traveller>(scheduler: unknown): Scheduler<T> {
  return scheduler as Scheduler<T>;
}
