/**
 * `penstock serve --supervise`: a parent that starts the server as a child and starts it again when native code killed it.
 * Native faults cannot be caught inside a process, so this one loads no native code and never touches a request. It hands
 * signals through and ends as its child ends; a child that loses it drains and ends by itself (serve.ts).
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';
import { loadConfig } from '../config/load.ts';
import type { Config } from '../config/schema.ts';
import { SUPERVISION_VARIABLE, type Supervision } from '../config/supervision.ts';
import { createLogger, type Logger } from '../logging/logger.ts';
import { reportMistakes } from './check.ts';
import { EXIT } from './exit.ts';
import { MarkFile, Suspects } from './suspects.ts';

/** Pause before a restart: doubles while the child keeps dying, and starts anew once it has run well for a while. */
const BACKOFF_MS = { first: 100, most: 10_000, forgottenAfter: 60_000 };

/** Repeats of a signal within this time are one Ctrl-C, which the terminal, npm and the launcher each hand on. */
const SAME_SIGNAL_MS = 1_000;

/** A child that is still there so long after it should have ended hangs in native code, where it hears no signal. */
const HUNG_AFTER_MS = 1_000;

const HANDED_THROUGH = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;

/** Ends that somebody wanted, or that a new start would only repeat. */
const FINAL_CODES: ReadonlySet<number> = new Set(Object.values(EXIT));
const FINAL_SIGNALS: ReadonlySet<string> = new Set([...HANDED_THROUGH, 'SIGQUIT']);

/** Descriptor of the file of marks in the child: the one behind its three streams and the channel. */
const MARKS_FILE = 4;

/** How a process ended. */
export interface End {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** Where the child listens, as it said: a restart takes the same ports again. */
export interface Ports {
  readonly port: number;
  readonly adminPort: number;
}

/**
 * Serves under supervision until the server ends for good.
 * @param entry the child's module: tests give one of their own. @returns the child's exit code, 128 + n for signal n
 */
export async function supervise(args: readonly string[], entry: URL = MAIN): Promise<number> {
  let config: Config;
  try {
    config = loadConfig({ args, env: process.env });
  } catch (error) {
    return reportMistakes(error);
  }
  const log = createLogger(config.log);
  const code = await new Supervisor(args, entry, log, config.drainTimeoutS * 1000).run();
  await log.flush();
  return code;
}

const MAIN = new URL(`../main${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url);

/** Whether a new start may help: not after a wanted end, a taken port, a wrong configuration or usage. */
export function mayRestart({ code, signal }: End): boolean {
  return signal === null ? !FINAL_CODES.has(code as number) : !FINAL_SIGNALS.has(signal);
}

/** The pause before the restart that follows `deaths` deaths in a row. */
export function pauseMs(deaths: number): number {
  return Math.min(BACKOFF_MS.most, BACKOFF_MS.first * 2 ** (deaths - 1));
}

class Supervisor {
  readonly #args: readonly string[];
  readonly #entry: URL;
  readonly #log: Logger;
  readonly #drainMs: number;
  readonly #marks = new MarkFile();
  readonly #suspects = new Suspects();
  #child: ChildProcess | null = null;
  #ports: Ports | null = null;
  #restarts = 0;
  #lastCause = '';
  #signalledMs = Number.NEGATIVE_INFINITY;
  #stopping = false;
  #endPause: (() => void) | null = null;

  constructor(args: readonly string[], entry: URL, log: Logger, drainMs: number) {
    this.#args = args;
    this.#entry = entry;
    this.#log = log;
    this.#drainMs = drainMs;
  }

  async run(): Promise<number> {
    for (const signal of HANDED_THROUGH) process.on(signal, () => this.#hand(signal));
    let deaths = 0;
    for (;;) {
      const startedMs = performance.now();
      const end = await this.#runOnce();
      if (this.#stopping || !mayRestart(end)) return exitCode(end);
      const ranMs = Math.round(performance.now() - startedMs);
      deaths = ranMs > BACKOFF_MS.forgottenAfter ? 1 : deaths + 1;
      this.#died(end, ranMs, pauseMs(deaths));
      await this.#pause(pauseMs(deaths));
      if (this.#stopping) return EXIT.ok;
    }
  }

  #died(end: End, ranMs: number, pauseMs: number): void {
    const cause = end.signal ?? `exit ${end.code}`;
    const suspects = this.#marks.suspects();
    this.#marks.clear();
    this.#suspects.died(suspects, cause, ranMs);
    this.#restarts++;
    this.#lastCause = cause;
    const ran = suspects.map(({ model, version }) => `${model} ${version}`);
    const line = { cause, ran, restarts: this.#restarts, ranMs, pauseMs };
    this.#log.error(line, 'the server process died and is started again');
  }

  #runOnce(): Promise<End> {
    const told: Supervision = {
      restarts: this.#restarts,
      lastCause: this.#lastCause,
      marksFile: MARKS_FILE,
      refused: this.#suspects.refused(),
    };
    const child = spawn(
      process.execPath,
      [...process.execArgv, fileURLToPath(this.#entry), 'serve', ...this.#childArgs()],
      {
        // The channel tells the child of our end, and us of its ports.
        stdio: ['inherit', 'inherit', 'inherit', 'ipc', this.#marks.descriptor],
        env: { ...process.env, [SUPERVISION_VARIABLE]: JSON.stringify(told) },
      },
    );
    this.#child = child;
    child.on('message', (message) => {
      this.#ports = message as Ports;
    });
    return new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (code, signal) => {
        this.#child = null;
        resolve({ code, signal });
      });
    });
  }

  /** Port 0 means any free one at the first start; clients know that one now. */
  #childArgs(): string[] {
    if (this.#ports === null) return [...this.#args];
    return [...this.#args, '--port', `${this.#ports.port}`, '--admin-port', `${this.#ports.adminPort}`];
  }

  #hand(signal: NodeJS.Signals): void {
    const nowMs = performance.now();
    if (nowMs - this.#signalledMs < SAME_SIGNAL_MS) return;
    this.#signalledMs = nowMs;
    const drainMs = this.#stopping ? 0 : this.#drainMs;
    this.#stopping = true;
    this.#endPause?.();
    const child = this.#child;
    if (child === null) return;
    child.kill(signal);
    setTimeout(() => this.#killHung(child), drainMs + HUNG_AFTER_MS).unref();
  }

  #killHung(child: ChildProcess): void {
    if (this.#child !== child) return;
    this.#log.error({}, 'the server process does not end by itself and is killed');
    child.kill('SIGKILL');
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#endPause = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

function exitCode({ code, signal }: End): number {
  return code ?? 128 + constants.signals[signal as NodeJS.Signals];
}
