import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { GatewayError } from '../../../src/core/error.ts';
import type { SchedulerView } from '../../../src/core/scheduling.ts';
import type { Readings } from '../../../src/metrics/families.ts';
import { DURATION_BOUNDS_US, FastHistogram } from '../../../src/metrics/fast.ts';
import { Metrics } from '../../../src/metrics/metrics.ts';
import { type TargetGauges, TargetMetrics } from '../../../src/metrics/target.ts';
import { VIEW } from '../../support/scheduler-view.ts';

describe('a histogram', () => {
  it('puts every value into the first bucket whose bound is not below it', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(20_000_000), { maxLength: 50 }), (values) => {
        const histogram = new FastHistogram(DURATION_BOUNDS_US);
        for (const value of values) histogram.record(value);
        const atMost = (bound: number) => values.filter((value) => value <= bound).length;
        let cumulative = 0;
        DURATION_BOUNDS_US.forEach((bound, i) => {
          cumulative += histogram.counts[i] as number;
          expect(cumulative).toBe(atMost(bound));
        });
        expect(histogram.count).toBe(values.length);
        expect(histogram.sum).toBe(values.reduce((sum, value) => sum + value, 0));
      }),
    );
  });

  it('keeps what lies above its last bound apart', () => {
    const histogram = new FastHistogram([10]);
    histogram.record(10);
    histogram.record(11);
    expect([...histogram.counts]).toEqual([1, 1]);
  });
});

const READINGS: Readings = {
  versions: { version: '1.2.3', node: '22.0.0', onnxruntime: '1.30.0' },
  arenaUsedBytes: 4096,
  arenaCapacityBytes: 8192,
  gatheredBytes: 512,
  connections: { inference: 5, admin: 1 },
  surplusConnections: 2,
  requestsInFlight: 6,
  restedUs: 250_000,
  decodes: { waiting: 5, running: 2, stuck: 1 },
  lanes: [
    { placement: 'worker', up: true, busy: true },
    { placement: 'worker', up: false, busy: false },
    { placement: 'inline', up: true, busy: false },
  ],
  models: [
    { model: 'digits', version: '2', ready: true },
    { model: 'broken', version: '1', ready: false },
  ],
  schedulers: [],
  restarts: 3,
  lastRestartCause: 'SIGSEGV',
  logLinesDropped: 7,
};

const GAUGES: TargetGauges = {
  queueRows: 3,
  queueBytes: 12,
  retries: 4,
  instances: 2,
  instancesMin: 1,
  instancesMax: 4,
  ring: { heldRows: 8, capacityRows: 64 },
  headHits: 100,
  headMisses: 9,
};

describe('the text of schedulers', () => {
  async function text(view: SchedulerView): Promise<string[]> {
    const schedulers = [{ model: 'digits', version: '2', view }];
    const metrics = new Metrics(() => ({ ...READINGS, schedulers }));
    const lines = (await metrics.text()).split('\n').filter((line) => line.startsWith('penstock_scheduler_'));
    metrics.dispose();
    return lines.map((line) => line.replace('penstock_scheduler_', '').replace('model="digits",version="2"', ''));
  }

  it('shows every figure in base units', async () => {
    expect(await text(VIEW)).toEqual([
      'target_seconds{} 0.05',
      'target_source{,source="slo"} 1',
      'target_source{,source="callers"} 0',
      'target_source{,source="measured"} 0',
      'batch_limit_rows{} 40',
      'knee_rows{} 24',
      'predicted_seconds{,rows="1"} 0.0015',
      'predicted_seconds{,rows="8"} 0.00250025',
      'speed_shifts_total{} 2',
      'guard_ratio{} 0.125',
      'guard_saturated{} 1',
      'capacity_rows_per_second{} 1200.75',
      'headroom_rows_per_second{} 250.125',
      'offered_rows_per_second{} 900.25',
      'served_rows_per_second{} 850.5',
      'waiting_rows{,priority="1"} 4',
      'waiting_rows{,priority="2"} 0',
      'waiting_rows{,priority="3"} 15',
      'decisions_total{,decision="admitted"} 101',
      'decisions_total{,decision="displaced"} 7',
      'decisions_total{,decision="refused"} 13',
      'decisions_total{,decision="impossible"} 17',
      'late_total{} 4',
    ]);
  });

  it('has no more series for a thousand tenants and a thousand sizes, and no tenant in any', async () => {
    const many = (count: number): SchedulerView => ({
      ...VIEW,
      curve: Array.from({ length: count }, (_, i) => ({ rows: i + 1, us: 10 + i, batches: 1 })),
      waiting: Array.from({ length: count }, (_, i) => {
        return { priority: 1 + (i % 3), tenant: `tenant-${i}`, requests: 1, rows: 1, oldestUs: i };
      }),
    });
    const names = (lines: string[]) => lines.map((line) => line.replace(/ \S+$/, ''));
    const lines = names(await text(many(1_024)));
    expect(lines).toEqual(names(await text(many(5_000))));
    expect(lines.filter((line) => line.includes('rows="'))).toHaveLength(11);
    expect(lines.filter((line) => line.includes('tenant-'))).toEqual([]);
  });
});

describe('the text for Prometheus', () => {
  let metrics: Metrics;
  beforeEach(() => {
    metrics = new Metrics(() => READINGS);
  });
  afterEach(() => metrics.dispose());

  function watched(model: string, version: string, gauges: TargetGauges = GAUGES): TargetMetrics {
    const figures = new TargetMetrics();
    metrics.watch({ labels: { model, version }, metrics: figures, gauges: () => gauges });
    return figures;
  }
  const lines = async () => (await metrics.text()).split('\n');

  it('shows durations in seconds, cumulative, per model and version', async () => {
    const target = watched('digits', '2');
    target.ok(150, 4);
    target.ok(2_500_000, 1);
    const labels = 'model="digits",version="2"';
    expect(await lines()).toEqual(
      expect.arrayContaining([
        '# TYPE penstock_request_duration_seconds histogram',
        `penstock_request_duration_seconds_bucket{${labels},le="0.0001"} 0`,
        `penstock_request_duration_seconds_bucket{${labels},le="0.0002"} 1`,
        `penstock_request_duration_seconds_bucket{${labels},le="+Inf"} 2`,
        `penstock_request_duration_seconds_sum{${labels}} 2.50015`,
        `penstock_requests_total{${labels},code="OK"} 2`,
        `penstock_rows_total{${labels}} 5`,
      ]),
    );
    expect(metrics.contentType).toBe('text/plain; version=0.0.4; charset=utf-8');
  });

  it('shows what stands in a model version, and no ring where it has none', async () => {
    watched('digits', '2');
    watched('words', '1', { ...GAUGES, ring: null });
    const labels = 'model="digits",version="2"';
    expect(await lines()).toEqual(
      expect.arrayContaining([
        `penstock_queue_rows{${labels}} 3`,
        `penstock_queue_bytes{${labels}} 12`,
        `penstock_instances{${labels}} 2`,
        `penstock_ring_rows{${labels}} 8`,
        `penstock_ring_capacity_rows{${labels}} 64`,
        `penstock_head_lookups_total{${labels},result="hit"} 100`,
        `penstock_head_lookups_total{${labels},result="miss"} 9`,
        `penstock_retries_total{${labels}} 4`,
      ]),
    );
    expect((await lines()).filter((line) => /ring.*words/.test(line))).toEqual([]);
  });

  it('shows the gateway as it stands', async () => {
    expect(await lines()).toEqual(
      expect.arrayContaining([
        'penstock_arena_bytes 4096',
        'penstock_arena_capacity_bytes 8192',
        'penstock_gathered_bytes 512',
        'penstock_connections{listener="inference"} 5',
        'penstock_limit_rejections_total{limit="connections"} 2',
        'penstock_requests_in_flight 6',
        'penstock_lanes_up{placement="worker"} 1',
        'penstock_lanes_busy{placement="worker"} 1',
        'penstock_lanes_up{placement="inline"} 1',
        'penstock_lanes_busy{placement="inline"} 0',
        'penstock_model_ready{model="digits",version="2"} 1',
        'penstock_model_ready{model="broken",version="1"} 0',
        'penstock_log_lines_dropped_total 7',
        'penstock_restarts_total 3',
        'penstock_last_restart_info{cause="SIGSEGV"} 1',
        'penstock_build_info{version="1.2.3",node="22.0.0",onnxruntime="1.30.0"} 1',
      ]),
    );
  });

  it('counts failures by code and by limit and stays the same when read twice', async () => {
    const target = watched('m', '1');
    target.error('OVERLOADED');
    target.error('OVERLOADED');
    metrics.answered(100, 20, new GatewayError('MODEL_NOT_FOUND', 'none'));
    metrics.answered(7, 2, new GatewayError('OVERLOADED', 'full', { limit: 'queueRows' }));
    metrics.answered(1, 3, null);
    await metrics.text();
    expect(await lines()).toEqual(
      expect.arrayContaining([
        'penstock_requests_total{model="m",version="1",code="OVERLOADED"} 2',
        'penstock_rejections_total{code="MODEL_NOT_FOUND"} 1',
        'penstock_limit_rejections_total{limit="queueRows"} 1',
        'penstock_limit_rejections_total{limit="queueBytes"} 0',
        'penstock_body_bytes_in_total 108',
        'penstock_body_bytes_out_total 25',
      ]),
    );
  });

  it('counts the threads that were lost, and shows memory and how the event loop fares', async () => {
    metrics.laneLost();
    const text = await metrics.text();
    expect(text).toContain('penstock_lanes_lost_total 1');
    expect(text).toMatch(/^process_resident_memory_bytes \d+/m);
    expect(text).toMatch(/^penstock_event_loop_delay_p99_seconds \d/m);
    expect(text).toMatch(/^penstock_event_loop_active_seconds_total -?\d/m);
    expect(text).toMatch(/^penstock_front_rest_seconds_total 0.25$/m);
  });

  it('has no series of a version that left service', async () => {
    watched('m', '1').ok(1, 1);
    watched('m', '2').ok(1, 1);
    metrics.unwatch('m', '1');
    const text = await metrics.text();
    expect(text).not.toContain('{model="m",version="1"');
    expect(text).toContain('{model="m",version="2"');
  });
});

describe('the times of batches', () => {
  it('count once for each request, and once for each batch by its rows', () => {
    const target = new TargetMetrics();
    target.batch(3, 8, 10, 100, 20, 5_000);
    target.batch(1, 8, 1, 2, 3, 6_000);
    expect({ ...target.travelled }).toEqual({ count: 4, inputUs: 31, inferUs: 302, outputUs: 63 });
    expect({ ...target.batches.get(8) }).toEqual({ count: 2, inputUs: 11, inferUs: 102, outputUs: 23 });
    expect([target.lastRunUs, target.runUs.count, target.batchRows.sum]).toEqual([6_000, 2, 16]);
  });

  it('are longer by what is handed out later', () => {
    const target = new TargetMetrics();
    target.batch(3, 8, 10, 100, 20, 5_000);
    target.handedOutLater(3, 8, 1_000);
    expect([target.travelled.outputUs, target.batches.get(8)?.outputUs]).toEqual([3 * 1_020, 1_020]);
    expect([target.travelled.count, target.lastRunUs, target.runUs.count]).toEqual([3, 5_000, 1]);
  });

  it('of sizes that a caller makes up cannot grow without bound', () => {
    const target = new TargetMetrics();
    for (let rows = 1; rows <= 5_000; rows++) target.batch(1, rows, 1, 1, 1, rows);
    expect([target.batches.size, target.travelled.count]).toEqual([1024, 5_000]);
  });
});
