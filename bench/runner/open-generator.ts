/** The generator of open loops as a process on a core of its own, for as long as a scenario takes. */

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Arrivals } from '../../src/load/figures.ts';
import type { Reply, Sending, Sent } from '../http/open-loads.ts';
import type { Load } from './wrk.ts';

const ENTRY = fileURLToPath(new URL('../http/open-loads.ts', import.meta.url));
/** What is still on its way so long after the end is unanswered: it was late for any deadline here. */
const DRAIN_MS = 2_000;

/** A load in the words of the benches. */
export interface OpenPlan {
  readonly url: string;
  readonly load: Load;
  /** Mean requests per second. */
  readonly rate: number;
  readonly seconds: number;
  /** What a good answer keeps; null: any 2xx. */
  readonly deadlineMs: number | null;
  readonly connections: number;
  readonly seed: number;
  readonly arrivals?: Arrivals;
  readonly drainMs?: number;
}

/** Sends open loops, one list of them at a time. */
export class OpenGenerator {
  readonly #child: ChildProcess;

  /** @param cores as taskset takes them */
  constructor(cores: string) {
    this.#child = fork(ENTRY, [], {
      execPath: 'taskset',
      execArgv: ['-c', cores, process.execPath],
      serialization: 'advanced',
    });
  }

  /** Runs the loads at once. @throws where the generator cannot */
  async run(...plans: readonly OpenPlan[]): Promise<Sent[]> {
    const ended = new AbortController();
    const { signal } = ended;
    this.#child.send(plans.map(sendingOf));
    try {
      const reply = (await Promise.race([
        once(this.#child, 'message', { signal }).then(([message]) => message),
        once(this.#child, 'exit', { signal }).then(() => ({ fault: 'the generator has ended' })),
      ])) as Reply;
      if ('fault' in reply) throw new Error(reply.fault);
      return [...reply.sent];
    } finally {
      ended.abort();
    }
  }

  /** Ends the process. */
  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = once(this.#child, 'exit');
    this.#child.kill('SIGTERM');
    await gone;
  }
}

function sendingOf({ url, load, rate, seconds, drainMs, arrivals, ...rest }: OpenPlan): Sending {
  const { hostname, port } = new URL(url);
  const plan = {
    ...rest,
    origin: { host: hostname, port: Number(port) },
    requests: [load],
    loop: { kind: 'open', rate, arrivals: arrivals ?? 'poisson' } as const,
    durationS: seconds,
  };
  return { plan, drainMs: drainMs ?? DRAIN_MS };
}

/** The same load whose requests say how long they may take. */
export function withDeadline(load: Load, deadlineMs: number): Load {
  return { ...load, headers: { ...load.headers, 'X-Request-Timeout-Ms': String(deadlineMs) } };
}
