/**
 * Compares what the load tool measured at a real queue with Lindley's recursion on the arrivals drawn and the service times that
 * the server took: those drawn, and what the machine added where it stopped the server for a moment.
 */

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { arrivals } from '../../src/load/arrivals.ts';
import type { LoadFigures, LoadPlan, Origin } from '../../src/load/figures.ts';
import { runOpenLoop } from '../../src/load/open-loop.ts';
import type { QueueServerFacts } from './queue-server.ts';

const SERVER = fileURLToPath(new URL('./queue-server.ts', import.meta.url));
/** So few that most requests wait at the generator: a time that counts from the sending would not have their wait. */
const CONNECTIONS = 4;
/** The first requests compile the code of both processes, and are not looked at. */
const WARM_UP_S = 1;
/** Mean lateness of the generator, or what the machine added to a service, as a share of the service time: more disturbs. */
const DISTURBED = 0.01;
/** Mean service taken over mean service drawn: a server that took longer did not serve what was to be looked at. */
export const STRETCHED = 1.05;

/** How near measured waits must come to those of the recursion. */
export const WITHIN = 0.05;
const ATTEMPTS = 5;

/** One comparison. */
export interface Comparison {
  readonly requests: number;
  /** Mean wait measured over that of the recursion, and the same for the 90th percentile of the time in the system. */
  readonly meanWaitRatio: number;
  readonly p90Ratio: number;
  /** Mean service taken over mean service drawn: what the machine added. */
  readonly stretch: number;
  /** Mean lateness of the generator over the service time; over 0.01 the comparison says nothing. */
  readonly lateness: number;
}

/** A server with one queue, and what to do with it. */
export class QueueUnderLoad implements AsyncDisposable {
  readonly #child;
  readonly #seed: number;
  readonly #serviceUs: number;
  #origin: Origin = { host: '127.0.0.1', port: 0 };

  private constructor(seed: number, serviceUs: number) {
    this.#seed = seed;
    this.#serviceUs = serviceUs;
    const args = [String(seed), String(serviceUs)];
    this.#child = fork(SERVER, args, { stdio: ['ignore', 'pipe', 'inherit', 'ipc'], execArgv: [] });
  }

  /** Exponential service times with this mean. */
  static async start(seed: number, serviceUs: number): Promise<QueueUnderLoad> {
    const made = new QueueUnderLoad(seed, serviceUs);
    const [port] = (await once(made.#child.stdout as NodeJS.ReadableStream, 'data')) as [Buffer];
    made.#origin = { host: '127.0.0.1', port: Number(port) };
    await made.#run(0.5, WARM_UP_S, seed + 1);
    return made;
  }

  /** Poisson arrivals at `load` of what the server can do, for this time. */
  async compare(load: number, durationS: number): Promise<Comparison> {
    const before = await this.#facts();
    const figures = await this.#run(load, durationS, this.#seed);
    const after = await this.#facts();
    const services = after.taken.slice(before.taken.length);
    const drawnServices = after.drawn.slice(before.drawn.length);
    if (figures.ok !== services.length) throw new Error(`${figures.ok} answers to ${services.length} requests`);
    const rate = (load * 1e6) / this.#serviceUs;
    const drawn = arrivals('poisson', rate, this.#seed);
    const waits = lindley(
      services.map(() => drawn.next()),
      services,
    );
    const inSystem = waits.map((us, i) => us + (services[i] as number)).sort((a, b) => a - b);
    return {
      requests: services.length,
      meanWaitRatio: (figures.latency.mean - mean(services)) / mean(waits),
      p90Ratio: figures.latency.p90 / (inSystem[Math.ceil(inSystem.length * 0.9) - 1] as number),
      stretch: mean(services) / mean(drawnServices),
      lateness: figures.generator.lag.mean / this.#serviceUs,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = once(this.#child, 'exit');
    this.#child.disconnect();
    await ended;
  }

  #run(load: number, durationS: number, seed: number): Promise<LoadFigures> {
    const plan: LoadPlan = {
      origin: this.#origin,
      requests: [{ path: '/', headers: {}, body: Buffer.alloc(0) }],
      loop: { kind: 'open', rate: (load * 1e6) / this.#serviceUs, arrivals: 'poisson' },
      connections: CONNECTIONS,
      durationS,
      deadlineMs: null,
      seed,
    };
    return runOpenLoop(plan, { drainMs: 30_000, timeoutMs: 30_000 });
  }

  async #facts(): Promise<QueueServerFacts> {
    const reply = await fetch(`http://${this.#origin.host}:${this.#origin.port}/`);
    return (await reply.json()) as QueueServerFacts;
  }
}

/**
 * Compares until neither the generator nor the server was disturbed; where that does not happen, what was disturbed least.
 * Which comparison it is never depends on what it found.
 * @throws Error where the machine gave no run that says anything
 */
export async function compareUndisturbed(queue: QueueUnderLoad, load: number, durationS: number): Promise<Comparison> {
  const all: Comparison[] = [];
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const comparison = await queue.compare(load, durationS);
    all.push(comparison);
    if (usable(comparison) && comparison.stretch <= 1 + DISTURBED) return comparison;
  }
  const [best] = all.filter(usable).sort((a, b) => a.stretch - b.stretch);
  if (best === undefined) throw new Error(`the machine was too busy to compare anything: ${JSON.stringify(all)}`);
  return best;
}

function usable({ lateness, stretch }: Comparison): boolean {
  return lateness <= DISTURBED && stretch < STRETCHED;
}

function lindley(arrivalsUs: readonly number[], services: readonly number[]): number[] {
  let freeUs = 0;
  return arrivalsUs.map((us, i) => {
    const startUs = Math.max(us, freeUs);
    freeUs = startUs + (services[i] as number);
    return startUs - us;
  });
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, x) => sum + x, 0) / Math.max(values.length, 1);
}
