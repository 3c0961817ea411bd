/** What a gateway takes besides its configuration. */

import type { Scheduler } from '../batching/travel.ts';
import type { Supervision } from '../config/supervision.ts';
import type { Clock } from '../core/clock.ts';
import type { Lane } from '../core/instance.ts';
import type { Placement } from '../core/model.ts';
import type { Identify } from '../core/principal.ts';
import type { Curve } from '../core/scheduling.ts';
import type { Timeline } from '../core/timeline.ts';
import type { Arena } from '../native/arena.ts';
import type { InferRequest } from '../pipeline/request.ts';

/** What the process gives besides the configuration, and seams for tests and benches. */
export interface GatewayOptions {
  /** What the supervisor knows, where there is one. */
  readonly supervision?: Supervision | null;
  /** The time; the process's own where none is given. */
  readonly clock?: Clock;
  /** What is known of how long a model's batches take. */
  readonly curve?: (model: string) => Curve;
  /** Forces where models run. */
  readonly placement?: Placement;
  /** Takes the place of the inline lane: the copying instance of the benches. */
  readonly inlineLane?: (arena: Arena) => Lane;
  /** Tells who is calling; without it nobody has a name. */
  readonly principal?: Identify;
  /**
   * Takes the scheduler's place: what the benches compare with.
   * @param lanes how many there are. @param wake has the next batch be asked for at the end of this turn, where nothing happened
   */
  readonly scheduler?: (lanes: number, wake: () => void) => Scheduler<InferRequest>;
  /** Of the start so far: what went before the gateway. */
  readonly timeline?: Timeline;
  /** Module of the worker threads. */
  readonly workerEntry?: URL;
  /** Module of the threads that decode pictures. */
  readonly decoderEntry?: URL;
}
