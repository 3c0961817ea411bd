import { describe, expect, it } from 'vitest';
import type { ModelVersion, ServedFacts } from '../../../src/core/model.ts';
import { capacityDocument, type Scheduled, schedulerDocument } from '../../../src/http/scheduling.ts';
import { VIEW } from '../../support/scheduler-view.ts';

function scheduled(view = VIEW): Scheduled {
  const facts = { placement: 'worker', instanceRange: { min: 1, max: 4 } } as ServedFacts;
  return { version: { model: 'digits', version: '2' } as ModelVersion, facts, view };
}

describe('the picture of a scheduler', () => {
  it('has every figure under its name, times in milliseconds', () => {
    expect(schedulerDocument(scheduled(), 1_001_000)).toEqual({
      name: 'digits',
      version: '2',
      targetMs: 50,
      targetSource: 'slo',
      batchRows: 40,
      kneeRows: 24,
      guardRatio: 0.125,
      guardSaturated: true,
      capacityRowsPerS: 1200.75,
      offeredRowsPerS: 900.25,
      servedRowsPerS: 850.5,
      placement: 'worker',
      instances: { min: 1, max: 4, running: 2 },
      lanes: [0, 1],
      queue: {
        requests: 5,
        rows: 19,
        waiting: [
          { priority: 1, tenant: 'a', requests: 1, rows: 4, oldestMs: 1.25 },
          { priority: 3, tenant: '', requests: 2, rows: 6, oldestMs: 30 },
          { priority: 3, tenant: 'b', requests: 2, rows: 9, oldestMs: 2 },
        ],
      },
      requests: { admitted: 101, displaced: 7, refused: 13, impossible: 17, late: 4 },
      speedShifts: 2,
      curve: [
        { rows: 1, ms: 1.5, batches: 7 },
        { rows: 3, ms: 2, batches: 0 },
        { rows: 8, ms: 2.5, batches: 11 },
      ],
      decisions: [
        { agoMs: 2.5, what: 'refused: finish predicted 61 ms, deadline 50 ms' },
        { agoMs: 1000, what: 'batches of up to 40 rows, 32 before' },
      ],
    });
  });
});

describe('the capacity', () => {
  it('has every figure under its name', () => {
    expect(capacityDocument([scheduled()])).toEqual({
      models: [
        {
          name: 'digits',
          version: '2',
          targetMs: 50,
          targetSource: 'slo',
          capacityRowsPerS: 1200.75,
          offeredRowsPerS: 900.25,
          servedRowsPerS: 850.5,
          headroomRowsPerS: 250.125,
        },
      ],
    });
  });
});
