/** Streams of requests through the scheduler on virtual time, and what became of each of them. Times in microseconds. */

import { LatencyCurve } from '../../src/batching/curve.ts';
import type { PlanQueue } from '../../src/batching/plan-queue.ts';
import { PlanScheduler } from '../../src/batching/plan-scheduler.ts';
import { Random } from '../../src/load/random.ts';
import { BareRequest } from './traveller.ts';

/** A Poisson stream of one-row requests. */
export interface Stream {
  readonly name: string;
  readonly ratePerUs: number;
  readonly tenant?: string;
  readonly priority?: number;
  /** Time from arrival to deadline; Infinity = best effort. */
  readonly patienceUs: number;
  /** It sends from then on; 0 where not stated. */
  readonly fromUs?: number;
  /** It sends until then; to the end where not stated. */
  readonly untilUs?: number;
}

/** The machine and the model. */
export interface Machine {
  readonly lanes: number;
  readonly mostRows: number;
  readonly us: (rows: number) => number;
  /** What was measured at load; the truth where not stated. */
  readonly profiledUs?: (rows: number) => number;
  /** How many times as long a batch takes that starts then; 1 where not stated. */
  readonly slowness?: (nowUs: number) => number;
  /** What each time is multiplied by; evenly 0.95 to 1.05 where not stated. */
  readonly noise?: (random: Random) => number;
  readonly queueRows: number;
  readonly sloUs: number;
}

/** What became of a stream, of those who came after the warm-up. */
export interface Fate {
  offered: number;
  /** When it came, or later for the sake of somebody else. */
  refused: number;
  late: number;
  /** Part of the lanes' time since the warm-up that its rows took, whenever they came. */
  share: number;
  /** Times from arrival to answer of those in time, sorted. */
  readonly sojournUs: number[];
}

class Request extends BareRequest {
  readonly stream: Stream;

  constructor(stream: Stream, arrivalUs: number) {
    const { tenant = '', priority = 2, patienceUs } = stream;
    super({ tenant, priority, arrivalUs, deadlineUs: arrivalUs + patienceUs });
    this.stream = stream;
  }
}

/** Runs the streams for `untilUs`; the first `warmUpUs` are not counted. The same seed gives the same fates. */
export function play(
  machine: Machine,
  streams: readonly Stream[],
  untilUs: number,
  warmUpUs: number,
  seed: number,
): Record<string, Fate> {
  const random = new Random(seed);
  const arrivals = streams
    .flatMap((stream) => arrivalsOf(stream, untilUs, random))
    .sort((a, b) => a.arrivalUs - b.arrivalUs);
  const run = new Run(machine, random, warmUpUs);
  for (const request of arrivals) {
    run.endUntil(request.arrivalUs);
    run.arrive(request);
  }
  run.endUntil(untilUs);
  const fates = Object.fromEntries(streams.map(({ name }) => [name, run.fateOf(name)]));
  for (const fate of Object.values(fates)) {
    fate.sojournUs.sort((a, b) => a - b);
    fate.share /= machine.lanes * (untilUs - warmUpUs);
  }
  return fates;
}

/** The value below which the share `q` of sorted values lies. */
export function quantile(sorted: readonly number[], q: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN;
}

function arrivalsOf(stream: Stream, untilUs: number, random: Random): Request[] {
  const found: Request[] = [];
  const next = () => random.exponential(1 / stream.ratePerUs);
  const lastUs = Math.min(untilUs, stream.untilUs ?? untilUs);
  for (let us = (stream.fromUs ?? 0) + next(); us < lastUs; us += next()) found.push(new Request(stream, us));
  return found;
}

class Run {
  readonly #machine: Machine;
  readonly #random: Random;
  readonly #warmUpUs: number;
  readonly #scheduler: PlanScheduler<Request>;
  readonly #queue: PlanQueue<Request>;
  readonly #endUs: number[];
  readonly #fates = new Map<string, Fate>();

  constructor(machine: Machine, random: Random, warmUpUs: number) {
    const { lanes, mostRows, us, queueRows, sloUs } = machine;
    this.#machine = machine;
    this.#random = random;
    this.#warmUpUs = warmUpUs;
    this.#scheduler = new PlanScheduler(lanes);
    this.#endUs = new Array(lanes).fill(Number.POSITIVE_INFINITY);
    const profile = [];
    for (let rows = 1; rows <= mostRows; rows *= 2) profile.push({ rows, us: (machine.profiledUs ?? us)(rows) });
    this.#queue = this.#scheduler.open({
      maxBatchRows: mostRows,
      lanes: this.#endUs.map((_, lane) => lane),
      queueRows,
      queueBytes: Number.POSITIVE_INFINITY,
      sloUs,
      curve: new LatencyCurve(mostRows, profile),
    });
  }

  fateOf(name: string): Fate {
    const known = this.#fates.get(name) ?? { offered: 0, refused: 0, late: 0, share: 0, sojournUs: [] };
    this.#fates.set(name, known);
    return known;
  }

  arrive(request: Request): void {
    const { tenant, arrivalUs, deadlineUs } = request;
    const refused =
      this.#scheduler.foresee(this.#queue, tenant, 1, 0, deadlineUs, arrivalUs) !== null ||
      this.#scheduler.arrive(this.#queue, request, arrivalUs) !== null;
    const fate = this.#counted(request);
    if (fate !== null) fate.offered++;
    if (fate !== null && refused) fate.refused++;
    this.#start(request.arrivalUs);
  }

  endUntil(untilUs: number): void {
    for (;;) {
      const endUs = Math.min(...this.#endUs);
      if (endUs > untilUs || endUs === Number.POSITIVE_INFINITY) return;
      this.#end(this.#endUs.indexOf(endUs), endUs);
      this.#start(endUs);
    }
  }

  #end(lane: number, nowUs: number): void {
    const batch = this.#scheduler.lanes[lane];
    if (batch === null || batch === undefined) throw new Error(`lane ${lane} runs nothing`);
    this.#endUs[lane] = Number.POSITIVE_INFINITY;
    const rowUs = Math.max(0, nowUs - Math.max(this.#warmUpUs, batch.startedUs)) / batch.rows;
    for (const request of batch.requests) {
      this.fateOf(request.stream.name).share += rowUs;
      const fate = this.#counted(request);
      if (fate !== null && nowUs > request.deadlineUs) fate.late++;
      else fate?.sojournUs.push(nowUs - request.arrivalUs);
    }
    this.#scheduler.finish(batch, nowUs, true);
  }

  #start(nowUs: number): void {
    const expired: Request[] = [];
    const displaced: Request[] = [];
    for (let batch = this.#scheduler.next(nowUs, expired, displaced); batch !== null; ) {
      const { us, noise = even, slowness = () => 1 } = this.#machine;
      this.#endUs[batch.lane] = nowUs + us(batch.rows) * slowness(nowUs) * noise(this.#random);
      batch = this.#scheduler.next(nowUs, expired, displaced);
    }
    for (const request of expired) {
      const fate = this.#counted(request);
      if (fate !== null) fate.late++;
    }
    for (const request of displaced) {
      const fate = this.#counted(request);
      if (fate !== null) fate.refused++;
    }
  }

  #counted(request: Request): Fate | null {
    return request.arrivalUs >= this.#warmUpUs ? this.fateOf(request.stream.name) : null;
  }
}

function even(random: Random): number {
  return 0.95 + 0.1 * random.uniform();
}
