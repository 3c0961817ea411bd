/**
 * A flood: a steady load, under its first seconds another one that makes it many times the capacity, and meanwhile somebody
 * who asks for health, metrics and the admin documents. What came of everybody is said in counts; what is wrong, in words.
 */

import type { LoadFigures } from '../../src/load/figures.ts';
import { recoveredAfter, Windows } from '../../src/load/overload.ts';
import { failures, refusals } from '../../src/load/units.ts';
import type { OpenGenerator } from './open-generator.ts';
import { residentBytes } from './process.ts';
import { type Asked, Watcher } from './watcher.ts';
import type { Load } from './wrk.ts';

/** Between looks at the memory. */
const MEMORY_MS = 500;
/** Of goodput after the burst. */
const WINDOW_S = 1;

/** Who is flooded. */
export interface Flooded {
  readonly url: string;
  readonly adminUrl: string;
  readonly pid: number;
}

/** With what. */
export interface FloodPlan {
  readonly load: Load;
  readonly deadlineMs: number;
  /** Requests per second that the server can do. */
  readonly capacity: number;
  /** The steady load and the burst, in capacities, and how long the burst and the time after it last. */
  readonly steady: number;
  readonly times: number;
  readonly burstS: number;
  readonly watchedS: number;
  readonly connections: number;
  readonly seed: number;
}

/** What came of it. */
export interface Flood {
  readonly times: number;
  readonly steady: LoadFigures;
  readonly burst: LoadFigures;
  /** Good answers per second of the steady load, second by second, and from the end of the burst on. */
  readonly goodput: readonly number[];
  /** Seconds after the burst until the steady load was served as before; null = not while it was watched. */
  readonly recoveredS: number | null;
  readonly rssBytes: { readonly before: number; readonly most: number; readonly after: number };
  /** By document. */
  readonly asked: Readonly<Record<string, Asked>>;
}

/** Runs it. */
export async function flood(generator: OpenGenerator, server: Flooded, plan: FloodPlan): Promise<Flood> {
  const { load, deadlineMs, capacity, connections, seed, burstS, watchedS } = plan;
  const base = { url: server.url, load, deadlineMs, connections };
  const steadyRate = plan.steady * capacity;
  const watcher = new Watcher([
    `${server.url}/v2/health/live`,
    `${server.url}/v2/health/ready`,
    `${server.adminUrl}/metrics`,
    `${server.adminUrl}/admin/debug`,
  ]);
  const before = residentBytes(server.pid);
  let most = before;
  const memory = setInterval(() => {
    most = Math.max(most, residentBytes(server.pid));
  }, MEMORY_MS);
  try {
    const [steady, burst] = await generator.run(
      { ...base, rate: steadyRate, seconds: burstS + watchedS, seed },
      { ...base, rate: plan.times * capacity - steadyRate, seconds: burstS, seed: seed + 1, drainMs: 1_000 },
    );
    if (steady === undefined || burst === undefined) throw new Error('the generator sent nothing');
    const windows = new Windows();
    for (const [elapsedS, ok] of steady.looks) windows.look(elapsedS, ok);
    const after = residentBytes(server.pid);
    return {
      times: plan.times,
      steady: steady.figures,
      burst: burst.figures,
      goodput: windows.goodput(0, WINDOW_S),
      recoveredS: recoveredAfter(windows.goodput(burstS, WINDOW_S), WINDOW_S, steadyRate),
      rssBytes: { before, most: Math.max(most, after), after },
      asked: await watcher.stop(),
    };
  } finally {
    clearInterval(memory);
    await watcher.stop();
  }
}

/** Refusals by code, of both loads. */
export function refusedCodes({ steady, burst }: Flood): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { code, count } of [...steady.refused, ...burst.refused]) counts[code] = (counts[code] ?? 0) + count;
  return counts;
}

/**
 * What is wrong with how the flood was met; empty for nothing. Speed is not judged here: an overload is refused with a status
 * that says so and, where coming back helps, when; no connection fails; memory stands still; everything else is answered.
 */
export function faultsOf(found: Flood, mostGrowthBytes: number): string[] {
  const faults: string[] = [];
  for (const figures of [found.steady, found.burst]) {
    for (const { status, code, count, retryAfter } of figures.refused) {
      if (status !== 503 && status !== 504) faults.push(`${count} answers ${status} ${code}`);
      else if (status === 503 && retryAfter !== count) faults.push(`${count - retryAfter} ${code} without Retry-After`);
    }
    if (failures(figures) > 0) faults.push(`connections failed: ${JSON.stringify(figures.errors)}`);
  }
  if (refusals(found.burst) === 0) faults.push('nothing was refused: this was no overload');
  const { before, most } = found.rssBytes;
  if (most - before > mostGrowthBytes) faults.push(`memory grew by ${Math.round((most - before) / 2 ** 20)} MiB`);
  for (const [url, { asked, failed, why }] of Object.entries(found.asked)) {
    if (asked === 0 || failed > 0) faults.push(`${new URL(url).pathname} failed ${failed} of ${asked} times: ${why}`);
  }
  return faults;
}
