/**
 * What a scheduler knows, as documents for people: times in milliseconds, rates in rows per second. Pure functions of its
 * picture; they name tenants, so that only the admin listener may show them.
 */

import type { ModelVersion, ServedFacts } from '../core/model.ts';
import type { SchedulerView, WaitingFlow } from '../core/scheduling.ts';

/** A version in service, with the picture of its scheduler. */
export interface Scheduled {
  readonly version: ModelVersion;
  readonly facts: ServedFacts;
  readonly view: SchedulerView;
}

/** `GET /v2/models/M[/versions/V]/scheduler`. @param nowUs by the clock of its decisions */
export function schedulerDocument({ version, facts, view }: Scheduled, nowUs: number): unknown {
  return {
    name: version.model,
    version: version.version,
    targetMs: milliseconds(view.targetUs),
    targetSource: view.targetSource,
    batchRows: view.batchRows,
    kneeRows: view.kneeRows,
    guardRatio: rounded(view.guard),
    guardSaturated: view.guardSaturated,
    ...rates(view),
    placement: facts.placement,
    instances: { ...facts.instanceRange, running: view.lanes.length },
    lanes: view.lanes,
    queue: { requests: view.queuedRequests, rows: view.queuedRows, waiting: view.waiting.map(flow) },
    requests: {
      admitted: view.admitted,
      displaced: view.displaced,
      refused: view.refused,
      impossible: view.impossible,
      late: view.late,
    },
    speedShifts: view.shifts,
    curve: view.curve.map(({ rows, us, batches }) => ({ rows, ms: milliseconds(us), batches })),
    decisions: view.decisions.map(({ atUs, what }) => ({ agoMs: milliseconds(nowUs - atUs), what })),
  };
}

/** `GET /v2/capacity`: what every version in service could take and does take, at its target. */
export function capacityDocument(scheduled: readonly Scheduled[]): unknown {
  return {
    models: scheduled.map(({ version, view }) => ({
      name: version.model,
      version: version.version,
      targetMs: milliseconds(view.targetUs),
      targetSource: view.targetSource,
      ...rates(view),
      headroomRowsPerS: rounded(view.headroomRowsPerS),
    })),
  };
}

function rates({ capacityRowsPerS, offeredRowsPerS, servedRowsPerS }: SchedulerView) {
  return {
    capacityRowsPerS: rounded(capacityRowsPerS),
    offeredRowsPerS: rounded(offeredRowsPerS),
    servedRowsPerS: rounded(servedRowsPerS),
  };
}

function flow({ priority, tenant, requests, rows, oldestUs }: WaitingFlow) {
  return { priority, tenant, requests, rows, oldestMs: milliseconds(oldestUs) };
}

function milliseconds(us: number): number {
  return rounded(us / 1000);
}

function rounded(value: number): number {
  return Math.round(value * 1000) / 1000;
}
