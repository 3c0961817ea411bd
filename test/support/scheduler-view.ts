/** A picture of a scheduler in which every figure is another one, so that none can stand in for its neighbour. */

import type { SchedulerView } from '../../src/core/scheduling.ts';

/** The picture. */
export const VIEW: SchedulerView = {
  targetUs: 50_000,
  targetSource: 'slo',
  curve: [
    { rows: 1, us: 1_500, batches: 7 },
    { rows: 3, us: 2_000, batches: 0 },
    { rows: 8, us: 2_500.25, batches: 11 },
  ],
  shifts: 2,
  kneeRows: 24,
  batchRows: 40,
  guard: 0.125,
  guardSaturated: true,
  offeredRowsPerS: 900.25,
  servedRowsPerS: 850.5,
  capacityRowsPerS: 1_200.75,
  headroomRowsPerS: 250.125,
  lanes: [0, 1],
  queuedRequests: 5,
  queuedRows: 19,
  waiting: [
    { priority: 1, tenant: 'a', requests: 1, rows: 4, oldestUs: 1_250 },
    { priority: 3, tenant: '', requests: 2, rows: 6, oldestUs: 30_000 },
    { priority: 3, tenant: 'b', requests: 2, rows: 9, oldestUs: 2_000 },
  ],
  admitted: 101,
  displaced: 7,
  refused: 13,
  impossible: 17,
  late: 4,
  decisions: [
    { atUs: 998_500, what: 'refused: finish predicted 61 ms, deadline 50 ms' },
    { atUs: 1_000, what: 'batches of up to 40 rows, 32 before' },
  ],
};
