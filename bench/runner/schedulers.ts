/** Schedulers that the benches drive without a server, by name, and the requests they are given. */

import { PlanScheduler } from '../../src/batching/plan-scheduler.ts';
import type { Queue, QueueSpec, Scheduler, Traveller, TravelState } from '../../src/batching/travel.ts';
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
  flow: unknown = null;
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

/** What is driven: a queue of so many lanes, opened. */
export interface Driven {
  readonly scheduler: Scheduler<BareTraveller>;
  readonly queue: Queue;
}

/** By name; the last one is the one that serves. */
export const SCHEDULERS: Readonly<Record<string, (lanes: number, spec: QueueSpec) => Driven>> = {
  manual: (lanes, spec) => driven(new ManualBatcher(lanes, { rows: 32, delayUs: 0 }, () => undefined), spec),
  plan: (lanes, spec) => driven(new PlanScheduler(lanes), spec),
};

/** The queue is the scheduler's own and goes back to nobody else, so that its kind need not be known here. */
function driven<Q extends Queue>(scheduler: Scheduler<BareTraveller, Q>, spec: QueueSpec): Driven {
  return { scheduler: scheduler as unknown as Scheduler<BareTraveller>, queue: scheduler.open(spec) };
}
