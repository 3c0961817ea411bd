/** The gateway's scheduler as a contestant: with a curve that knows what a profile at load finds, and learns the rest. */

import { LatencyCurve } from '../../src/batching/curve.ts';
import { PlanScheduler } from '../../src/batching/plan-scheduler.ts';
import { Ours } from './ours.ts';
import type { Job, Policy, PolicySpec } from './policy.ts';

/** Its name in tables. */
export const OURS = 'ours';

/** Makes it. */
export function ours(spec: PolicySpec): Policy {
  return new Ours(new PlanScheduler<Job>(spec.lanes), new LatencyCurve(spec.mostRows, spec.profile), spec);
}
