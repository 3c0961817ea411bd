import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DURATION_BOUNDS_US, FastHistogram } from '../../../src/metrics/fast.ts';
import { Metrics } from '../../../src/metrics/metrics.ts';

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

describe('the text for Prometheus', () => {
  let metrics: Metrics;
  beforeEach(() => {
    metrics = new Metrics({ arenaBytes: () => 4096, gatheredBytes: () => 512, logLinesDropped: () => 7 });
  });
  afterEach(() => metrics.dispose());

  it('shows durations in seconds, cumulative, per model and version', async () => {
    const target = metrics.forTarget('digits', '2', () => 3);
    target.ok(150, 4);
    target.ok(2_500_000, 1);
    const text = await metrics.text();
    const labels = 'model="digits",version="2"';
    expect(text).toContain('# TYPE penstock_request_duration_seconds histogram');
    expect(text).toContain(`penstock_request_duration_seconds_bucket{${labels},le="0.0001"} 0`);
    expect(text).toContain(`penstock_request_duration_seconds_bucket{${labels},le="0.0002"} 1`);
    expect(text).toContain(`penstock_request_duration_seconds_bucket{${labels},le="+Inf"} 2`);
    expect(text).toContain(`penstock_request_duration_seconds_sum{${labels}} 2.50015`);
    expect(text).toContain(`penstock_requests_total{${labels},code="OK"} 2`);
    expect(text).toContain(`penstock_queue_rows{${labels}} 3`);
    expect(text).toContain('penstock_arena_bytes 4096');
    expect(text).toContain('penstock_log_lines_dropped_total 7');
    expect(metrics.contentType).toBe('text/plain; version=0.0.4; charset=utf-8');
  });

  it('counts failures by code and stays the same when read twice', async () => {
    const target = metrics.forTarget('m', '1', () => 0);
    target.error('OVERLOADED');
    target.error('OVERLOADED');
    metrics.rejected('MODEL_NOT_FOUND');
    await metrics.text();
    const text = await metrics.text();
    expect(text).toContain('penstock_requests_total{model="m",version="1",code="OVERLOADED"} 2');
    expect(text).toContain('penstock_rejections_total{code="MODEL_NOT_FOUND"} 1');
  });

  it('counts the threads that were lost, and shows memory and the delay of the event loop', async () => {
    metrics.laneLost();
    const text = await metrics.text();
    expect(text).toContain('penstock_lanes_lost_total 1');
    expect(text).toMatch(/^process_resident_memory_bytes \d+/m);
    expect(text).toMatch(/^penstock_event_loop_delay_p99_seconds \d/m);
  });

  it('has no series of a version that left service', async () => {
    metrics.forTarget('m', '1', () => 0).ok(1, 1);
    metrics.forTarget('m', '2', () => 0).ok(1, 1);
    metrics.dropTarget('m', '1');
    const text = await metrics.text();
    expect(text).not.toContain('version="1"');
    expect(text).toContain('version="2"');
  });
});
