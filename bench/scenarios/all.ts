/** Every scenario by the name that `npm run bench` takes. */

import { SWEPT } from '../http/swept.ts';
import type { Scenario } from '../runner/scenario.ts';
import { roadAlone } from './bm-1-road.ts';
import { mlpBinaryBodies, mlpJsonBodies } from './bm-2-mlp.ts';
import { codecAlone } from './bm-3-codec.ts';
import { addedByWorker, addedInline } from './bm-4-latency.ts';
import { oneMillisecond, oneMillisecondClosed } from './bm-5-open.ts';
import { imagesPerSecond } from './bm-6-images.ts';
import { jpegsPerSecond } from './bm-6-jpeg.ts';
import { deadlinesKept } from './bm-7-overload.ts';
import { manualSweep, sweptByHand } from './bm-8-sweep.ts';
import { largeBody } from './bm-9-large-body.ts';
import { soak } from './bm-11-soak.ts';
import { handRolled } from './bm-12-fastify.ts';
import { rivals } from './bm-12-rivals.ts';
import { generatorCost } from './generator.ts';
import { idleConnections } from './idle.ts';
import { memoryGrowth } from './memory-growth.ts';
import { overloadMinute } from './overload-60.ts';
import { preprocessing } from './preprocess.ts';
import { replayed } from './replay.ts';
import { schedulerCell } from './scheduler-cell.ts';
import { schedulerCost } from './scheduler-cost.ts';
import { schedulerFront } from './scheduler-front.ts';
import { schedulerSim } from './scheduler-sim.ts';
import { tenants } from './tenants.ts';

/** The registry. */
export const SCENARIOS: Readonly<Record<string, Scenario>> = {
  'BM-1': roadAlone,
  'BM-2': mlpBinaryBodies,
  'BM-3': mlpJsonBodies,
  'BM-3-codec': codecAlone,
  'BM-4': addedInline,
  'BM-4-worker': addedByWorker,
  'BM-5': oneMillisecond,
  'BM-5-closed': oneMillisecondClosed,
  'BM-6': imagesPerSecond,
  'BM-6-jpeg': jpegsPerSecond,
  'BM-7': deadlinesKept,
  'BM-8': manualSweep,
  ...Object.fromEntries(SWEPT.map((model) => [`BM-8-${model.name}`, sweptByHand([model])])),
  'BM-9': largeBody,
  'BM-11': soak,
  'BM-12': rivals,
  'BM-12-fastify': handRolled,
  generator: generatorCost,
  idle: idleConnections,
  RSS: memoryGrowth,
  'overload-60': overloadMinute,
  preprocess: preprocessing,
  replay: replayed,
  'scheduler-cost': schedulerCost,
  tenants,
  'scheduler-sim': schedulerSim,
  'scheduler-cell': schedulerCell,
  'scheduler-front': schedulerFront,
};
