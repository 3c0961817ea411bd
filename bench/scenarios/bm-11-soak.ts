/** BM-11: whether memory or latency creep over a million mixed requests at 80 % of the capacity. */

import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { median } from '../../src/load/compare.ts';
import { answerBytes, type mlpBinary } from '../http/loads.ts';
import { mixed, writeMixed } from '../http/mix.ts';
import { LOAD_CORE, SERVER_CORE } from '../runner/compare.ts';
import { MixedWrk } from '../runner/mixed-wrk.ts';
import { type Server, startServer } from '../runner/process.ts';
import { FULL_SOAK } from '../runner/report.ts';
import type { Effort, Outcome, Scenario } from '../runner/scenario.ts';
import { slopeOf } from '../runner/slope.ts';

/** Part of the capacity that is used, and connections that share the pauses. */
const SHARE = 0.8;
const CONNECTIONS = 128;
const CAPACITY_S = 3;
/** Least slices: fewer points make no line. */
const SLICES = 20;
const MOST_MIB_PER_MILLION = 1;
const MOST_DRIFT = 0.1;
const MIB = 2 ** 20;

/** What the server says of its memory once it has collected its garbage, and how the slice before that went. */
interface Point {
  readonly sent: number;
  readonly p99Us: number;
  readonly rss: number;
  readonly used: number;
  readonly files: number;
}

/** Runs the soak; with `leak`, one that must be found wanting. */
export const soak: Scenario = {
  what: 'soak of a mix at 80 %: RSS slope, MiB per million requests',
  target: '<= 1, p99 drift <= 10 %',
  scale: 'requests',
  write: writeMixed,
  run: measure,
};

async function measure({ requests, leak }: Effort, models: string): Promise<Outcome> {
  const entry = fileURLToPath(new URL('../http/soak-server.ts', import.meta.url));
  const server = await startServer(['--expose-gc', entry, models, ...(leak ? ['leak'] : [])], SERVER_CORE);
  const wrk = new MixedWrk(mixed());
  try {
    const mix = mixed();
    for (const load of mix.good) await answerBytes(server.url, load);
    for (const load of mix.bad) await refused(server.url, load);
    const capacity = (await wrk.slice(server.url, CONNECTIONS / 2, CAPACITY_S, LOAD_CORE)).perSecond;
    // A short soak is slower instead of having too few points.
    const wanted = Math.min(SHARE * capacity, requests / SLICES);
    const pauseMs = await pauseFor(wrk, server, wanted);
    const points = await slices(wrk, server, requests, pauseMs);
    return judged(points, requests, leak, { capacity, wanted });
  } finally {
    await server.stop();
    wrk.dispose();
  }
}

async function refused(url: string, { path, body, headers }: ReturnType<typeof mlpBinary>): Promise<void> {
  const reply = await fetch(url + path, { method: 'POST', body: body as Uint8Array<ArrayBuffer>, headers });
  if (reply.status !== 400 && reply.status !== 404) throw new Error(`${path} answers ${reply.status} to a bad request`);
  await reply.arrayBuffer();
}

/** A pause that brings the rate to `perSecond`: what the answers take is not known before. */
async function pauseFor(wrk: MixedWrk, server: Server, perSecond: number): Promise<number> {
  let pauseMs = (CONNECTIONS * 1000) / perSecond;
  for (let i = 0; i < 3; i++) {
    const found = await wrk.slice(server.url, CONNECTIONS, 1, LOAD_CORE, pauseMs);
    pauseMs = Math.max(0.1, pauseMs + (CONNECTIONS * 1000) / perSecond - (CONNECTIONS * 1000) / found.perSecond);
  }
  return pauseMs;
}

async function slices(wrk: MixedWrk, server: Server, requests: number, pauseMs: number): Promise<Point[]> {
  const points: Point[] = [];
  for (let sent = 0; sent < requests; ) {
    const slice = await wrk.slice(server.url, CONNECTIONS, 1, LOAD_CORE, pauseMs);
    sent += slice.requests;
    const memory = once(server.output, 'data');
    process.kill(server.pid, 'SIGUSR2');
    const said = JSON.parse(String((await memory)[0])) as Pick<Point, 'rss' | 'used' | 'files'>;
    points.push({ ...said, sent, p99Us: slice.p99Us });
    process.stderr.write(`${sent} requests: RSS ${(said.rss / MIB).toFixed(1)} MiB, p99 ${slice.p99Us} us\n`);
  }
  return points;
}

function judged(points: readonly Point[], requests: number, leak: boolean, rates: Record<string, number>): Outcome {
  const second = points.filter(({ sent }) => sent >= requests / 2);
  const line = (key: 'rss' | 'used') => slopeOf(second.map((p) => [p.sent / 1e6, p[key] / MIB] as const));
  const { slope, halfWidth } = line('rss');
  const quarter = Math.ceil(points.length / 4);
  const p99 = (part: readonly Point[]) => median(part.map(({ p99Us }) => p99Us));
  const [firstP99, lastP99] = [p99(points.slice(0, quarter)), p99(points.slice(-quarter))];
  const drift = lastP99 / firstP99 - 1;
  const [first, last] = [points[0] as Point, points.at(-1) as Point];
  return {
    figure: slope,
    interval: [slope - halfWidth, slope + halfWidth],
    aa: Number.NaN,
    detail: {
      usedSlope: line('used').slope,
      p99DriftPercent: 100 * drift,
      firstP99,
      lastP99,
      rssMiB: last.rss / MIB,
      openedFiles: last.files - first.files,
      requests: last.sent,
      ...rates,
    },
    fault: faultOf(slope, halfWidth, drift, requests, leak),
  };
}

/** A leak is found where even the flattest line of the interval is too steep. A short soak proves nothing else. */
function faultOf(slope: number, halfWidth: number, drift: number, requests: number, leak: boolean): string {
  const found = slope - halfWidth > MOST_MIB_PER_MILLION;
  if (leak) return found ? '' : 'the planted leak was not found';
  if (requests < FULL_SOAK) return found ? 'memory grows, and this is too steep for a short soak as well' : '';
  if (slope > MOST_MIB_PER_MILLION) return 'memory grows';
  return drift > MOST_DRIFT ? 'the p99 creeps' : '';
}
