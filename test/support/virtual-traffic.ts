/** Streams of requests through the scheduler on virtual time, and what became of each of them. Times in microseconds. */

import { LatencyCurve } from '../../src/batching/curve.ts';
import type { PlanQueue } from '../../src/batching/plan-queue.ts';
import { PlanScheduler } from '../../src/batching/plan-scheduler.ts';
import type { SchedulerView } from '../../src/core/scheduling.ts';
import { Random } from '../../src/load/random.ts';
import { BareRequest } from './traveller.ts';

/** A Poisson stream of one-row requests. */
export interface Stream {
  readonly name: string;
  /** Which of the models it is for; the first where not stated. */
  readonly model?: number;
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

/** The machine and the model; of several models the machine is that of the first. */
export interface Machine {
  readonly lanes: number;
  /** The lanes that the model may use; all where not stated. */
  readonly on?: readonly number[];
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
  machines: Machine | readonly Machine[],
  streams: readonly Stream[],
  untilUs: number,
  warmUpUs: number,
  seed: number,
): Record<string, Fate> {
  const models = listed(machines);
  const [{ lanes }] = models;
  const run = ran(models, streams, untilUs, warmUpUs, seed);
  const fates = Object.fromEntries(streams.map(({ name }) => [name, run.fateOf(name)]));
  for (const fate of Object.values(fates)) {
    fate.sojournUs.sort((a, b) => a - b);
    fate.share /= lanes * (untilUs - warmUpUs);
  }
  return fates;
}

/** What the scheduler says of each model when the streams have run for `untilUs`. */
export function pictures(
  machines: readonly Machine[],
  streams: readonly Stream[],
  untilUs: number,
  seed: number,
): SchedulerView[] {
  return ran(listed(machines), streams, untilUs, 0, seed).views(untilUs);
}

type Machines = readonly [Machine, ...Machine[]];

function listed(machines: Machine | readonly Machine[]): Machines {
  return ('us' in machines ? [machines] : machines) as Machines;
}

function ran(machines: Machines, streams: readonly Stream[], untilUs: number, warmUpUs: number, seed: number): Run {
  const random = new Random(seed);
  const arrivals = streams
    .flatMap((stream) => arrivalsOf(stream, untilUs, random))
    .sort((a, b) => a.arrivalUs - b.arrivalUs);
  const run = new Run(machines, random, warmUpUs);
  for (const request of arrivals) {
    run.endUntil(request.arrivalUs);
    run.arrive(request);
  }
  run.endUntil(untilUs);
  return run;
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
  readonly #machines: Machines;
  readonly #random: Random;
  readonly #warmUpUs: number;
  readonly #scheduler: PlanScheduler<Request>;
  readonly #queues: readonly PlanQueue<Request>[];
  readonly #endUs: number[];
  readonly #fates = new Map<string, Fate>();

  constructor(machines: Machines, random: Random, warmUpUs: number) {
    const [{ lanes }] = machines;
    this.#machines = machines;
    this.#random = random;
    this.#warmUpUs = warmUpUs;
    this.#scheduler = new PlanScheduler(lanes);
    this.#endUs = new Array(lanes).fill(Number.POSITIVE_INFINITY);
    this.#queues = machines.map((machine) => this.#open(machine));
  }

  #open({ on, mostRows, us, profiledUs = us, queueRows, sloUs }: Machine): PlanQueue<Request> {
    const profile = [];
    for (let rows = 1; rows <= mostRows; rows *= 2) profile.push({ rows, us: profiledUs(rows) });
    return this.#scheduler.open({
      maxBatchRows: mostRows,
      lanes: on ?? this.#endUs.map((_, lane) => lane),
      queueRows,
      queueBytes: Number.POSITIVE_INFINITY,
      sloUs,
      curve: new LatencyCurve(mostRows, profile),
    });
  }

  views(nowUs: number): SchedulerView[] {
    return this.#queues.map((queue) => this.#scheduler.view(queue, nowUs));
  }

  fateOf(name: string): Fate {
    const known = this.#fates.get(name) ?? { offered: 0, refused: 0, late: 0, share: 0, sojournUs: [] };
    this.#fates.set(name, known);
    return known;
  }

  arrive(request: Request): void {
    const { tenant, arrivalUs, deadlineUs, stream } = request;
    const queue = this.#queues[stream.model ?? 0] as PlanQueue<Request>;
    const refused =
      this.#scheduler.foresee(queue, tenant, 1, 0, deadlineUs, arrivalUs) !== null ||
      this.#scheduler.arrive(queue, request, arrivalUs) !== null;
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
      const { us, noise = even, slowness = () => 1 } = this.#machines[this.#queues.indexOf(batch.queue)] as Machine;
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
