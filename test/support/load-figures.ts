/** Figures of loads that never ran, whole and consistent, for tests of what is made from figures. */

import type { LoadFigures, Loop } from '../../src/load/figures.ts';
import { LatencyHistogram, NO_QUANTILES } from '../../src/load/histogram.ts';
import { REPORT_FORMAT, type Report, thisMachine } from '../../src/load/report.ts';

/** An open loop of Poisson arrivals. */
export function open(rate: number): Loop {
  return { kind: 'open', rate, arrivals: 'poisson' };
}

/** A run of ten seconds in which each request took `baseUs` or, one of fifty, ten times that. */
export function figures(loop: Loop, baseUs: number, more: Partial<LoadFigures> = {}): LoadFigures {
  const durationS = 10;
  const sent = loop.kind === 'open' ? loop.rate * durationS : loop.concurrency * 1000;
  const times = new LatencyHistogram();
  for (let i = 0; i < sent; i++) times.record(baseUs * (i % 50 === 0 ? 10 : 1) + (i % 7));
  return {
    loop,
    connections: 64,
    durationS,
    deadlineMs: 50,
    offered: sent / durationS,
    achieved: sent / durationS,
    goodput: sent / durationS,
    sent,
    ok: sent,
    late: 0,
    refused: [],
    errors: { connect: 0, reset: 0, timeout: 0, malformed: 0 },
    unanswered: 0,
    latency: times.distribution(),
    wait: NO_QUANTILES,
    firstByte: null,
    generator: { lag: NO_QUANTILES, cpuUsPerRequest: 20, busy: 0.25, void: '' },
    server: null,
    ...more,
  };
}

/** A report of these runs. */
export function reportOf(runs: readonly LoadFigures[], more: Partial<Report> = {}): Report {
  return {
    format: REPORT_FORMAT,
    complete: true,
    made: '2026-01-02T03:04:05.678Z',
    kind: 'ramp',
    command: 'penstock bench http://127.0.0.1:8000 --model mlp --ramp',
    url: 'http://127.0.0.1:8000',
    model: 'mlp',
    version: '',
    seed: 1,
    machine: thisMachine(),
    generator: { version: '0.1.0', commit: 'abc1234' },
    server: { name: 'penstock', version: '0.1.0' },
    runs,
    capacity: null,
    recovery: null,
    ...more,
  };
}

/** Refusals with OVERLOADED. */
export function overloaded(count: number): LoadFigures['refused'][number] {
  const times = new LatencyHistogram();
  for (let i = 0; i < count; i++) times.record(400 + (i % 10));
  return { code: 'OVERLOADED', status: 503, count, timeToRefuse: times.quantiles(), retryAfter: count };
}
