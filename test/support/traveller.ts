/** A request as a scheduler sees it, and nothing else: one row without a deadline unless said. */

import type { Traveller, TravelState } from '../../src/batching/travel.ts';

/** What may be said of one. */
export type TravellerSpec = Partial<
  Pick<Traveller, 'rows' | 'bytes' | 'shapeKey' | 'arrivalUs' | 'deadlineUs' | 'tenant' | 'priority'>
>;

/** See the head of this file. */
export class BareRequest implements Traveller {
  rows = 1;
  bytes = 1;
  shapeKey = '';
  arrivalUs = 0;
  deadlineUs = Number.POSITIVE_INFINITY;
  tenant = '';
  priority = 2;
  alone = false;
  attempts = 0;
  state: TravelState = 'NEW';
  place: unknown = null;
  flow: unknown = null;
  previous: this | null = null;
  next: this | null = null;

  constructor(spec: TravellerSpec = {}) {
    Object.assign(this, spec);
  }
}
