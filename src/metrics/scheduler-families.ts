/**
 * The families that say what schedulers know: read from one picture per model version and scrape. Their labels are the
 * version's, and small sets that are written here; a tenant is never one.
 */

import type { CurvePoint, SchedulerView, TargetSource } from '../core/scheduling.ts';
import type { Family, Readings, Sample } from './families.ts';
import { ROW_BOUNDS } from './fast.ts';

type Scheduler = Readings['schedulers'][number];

const PRIORITIES = [1, 2, 3];
const SOURCES: readonly TargetSource[] = ['slo', 'callers', 'measured'];

/** All of them, in the order in which they are shown. */
export const SCHEDULER_FAMILIES: readonly Family[] = [
  gauge('target_seconds', 'Latency target', (v) => v.targetUs / 1e6),
  perVersion(
    'gauge',
    'target_source',
    'Whose target it is: 1 at slo (model.yaml), callers or measured, 0 elsewhere',
    (v) => SOURCES.map((source) => [{ source }, v.targetSource === source ? 1 : 0]),
  ),
  gauge('batch_limit_rows', 'Most rows of a batch now', (v) => v.batchRows),
  gauge('knee_rows', 'Smallest batch beyond which rows per second hardly grow, whatever the target', (v) => v.kneeRows),
  perVersion(
    'gauge',
    'predicted_seconds',
    'Expected time of a batch of 1, 2, 4 ... rows, for sizes that were learned',
    (v) => v.curve.filter(isShown).map(({ rows, us }) => [{ rows }, us / 1e6]),
  ),
  counter('speed_shifts_total', 'Sudden changes of speed noticed', (v) => v.shifts),
  gauge('guard_ratio', 'What predictions are stretched by: 0.1 is a tenth longer', (v) => v.guard),
  gauge('guard_saturated', 'Whether the guard is at its bound: 1 or 0', (v) => (v.guardSaturated ? 1 : 0)),
  gauge('capacity_rows_per_second', 'What the running instances take at the target', (v) => v.capacityRowsPerS),
  gauge('headroom_rows_per_second', 'What can be added while all else goes on as it does', (v) => v.headroomRowsPerS),
  gauge('offered_rows_per_second', 'What callers send, refused or not', (v) => v.offeredRowsPerS),
  gauge('served_rows_per_second', 'What is answered', (v) => v.servedRowsPerS),
  perVersion('gauge', 'waiting_rows', 'Rows waiting for an instance, by class: 1 first, 3 last', (v) =>
    PRIORITIES.map((priority) => [{ priority }, waitingRows(v, priority)]),
  ),
  perVersion(
    'counter',
    'decisions_total',
    'Requests taken, of these refused afterwards for who came later (displaced), refused at once for the others, impossible in their time',
    ({ admitted, displaced, refused, impossible }) => [
      [{ decision: 'admitted' }, admitted],
      [{ decision: 'displaced' }, displaced],
      [{ decision: 'refused' }, refused],
      [{ decision: 'impossible' }, impossible],
    ],
  ),
  counter('late_total', 'Requests that were taken and missed their deadline', (v) => v.late),
];

/** A learned curve may have a thousand points: a few sizes are enough for a picture over time. */
function isShown({ rows }: CurvePoint): boolean {
  return ROW_BOUNDS.includes(rows);
}

function waitingRows({ waiting }: SchedulerView, priority: number): number {
  return waiting.reduce((sum, flow) => (flow.priority === priority ? sum + flow.rows : sum), 0);
}

function gauge(name: string, help: string, read: (view: SchedulerView) => number): Family {
  return perVersion('gauge', name, help, (view) => [[{}, read(view)]]);
}

function counter(name: string, help: string, read: (view: SchedulerView) => number): Family {
  return perVersion('counter', name, help, (view) => [[{}, read(view)]]);
}

function perVersion(
  type: Family['type'],
  name: string,
  help: string,
  read: (view: SchedulerView) => readonly (readonly [Sample['labels'], number])[],
): Family {
  const of = ({ model, version, view }: Scheduler) =>
    read(view).map(([labels, value]) => ({ labels: { model, version, ...labels }, value }));
  return { name: `penstock_scheduler_${name}`, type, help, samples: ({ now }) => now.schedulers.flatMap(of) };
}
