/** The server that is fuzzed: a process of its own over the fixture models, and what it says of itself. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeFixtures } from '../../support/fixtures/write.ts';
import { type Served, serveProcess, untilReady } from '../../support/server-process.ts';
import { FUZZED_MODELS } from './valid.ts';

/** Small limits, so that requests meet them. */
const FLAGS = [
  ...['--workers', '2', '--log-level', 'silent', '--drain-timeout-s', '20'],
  ...['--limits-body-bytes', '131072', '--limits-arena-bytes', '134217728'],
];

/** How long a server may take to give back what abandoned requests held: longer than its idle time-out of 10 s. */
const SETTLE_MS = 20_000;

/** What the server holds. */
export interface Held {
  readonly arenaBytes: number;
  readonly queueRows: number;
  readonly residentBytes: number;
}

/** A running server. */
export class FuzzedServer {
  readonly #served: Served;
  readonly #models: string;
  #end: { code: number | null; signal: string | null } | null = null;

  private constructor(served: Served, models: string) {
    this.#served = served;
    this.#models = models;
    void served.ended.then((end) => {
      this.#end = end;
    });
  }

  /** Starts it; resolves when every model has settled. */
  static async start(): Promise<FuzzedServer> {
    const models = await mkdtemp(join(tmpdir(), 'penstock-fuzz-'));
    await writeFixtures(models, FUZZED_MODELS);
    // What JavaScript keeps for good ends the process soon, and garbage is no growth.
    process.env.NODE_OPTIONS = '--max-old-space-size=64 --max-semi-space-size=2';
    const starting = serveProcess(models, ...FLAGS);
    delete process.env.NODE_OPTIONS;
    const served = await starting;
    if (served.url === '') throw new Error(`the server did not start: ${served.output()}`);
    await untilReady(served.url);
    return new FuzzedServer(served, models);
  }

  get port(): number {
    return Number(new URL(this.#served.url).port);
  }

  /** How it ended by itself, or null while it lives. */
  get death(): string | null {
    return this.#end === null ? null : `the server ended: ${JSON.stringify(this.#end)} ${this.#served.output()}`;
  }

  /** What it holds now, by its own metrics. */
  async held(): Promise<Held> {
    const text = await (await fetch(`${this.#served.adminUrl}/metrics`)).text();
    const sum = (name: string) =>
      [...text.matchAll(new RegExp(`^${name}(?:\\{.*\\})? (\\S+)$`, 'gm'))].reduce((all, [, n]) => all + Number(n), 0);
    return {
      arenaBytes: sum('penstock_arena_bytes'),
      queueRows: sum('penstock_queue_rows'),
      residentBytes: sum('process_resident_memory_bytes'),
    };
  }

  /** Waits until it holds no more than `before`; resolves with what is left over, or null. */
  async leftOver(before: Held): Promise<string | null> {
    const untilMs = performance.now() + SETTLE_MS;
    for (;;) {
      const { arenaBytes, queueRows } = await this.held();
      if (arenaBytes === before.arenaBytes && queueRows === 0) return null;
      if (performance.now() > untilMs) {
        return `${arenaBytes - before.arenaBytes} bytes of the arena and ${queueRows} rows of queues are left over`;
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  /** Ends it; resolves with what was wrong with that, or null. It waits for every request that it still has open. */
  async stop(): Promise<string | null> {
    const before = this.death;
    this.#served.child.kill('SIGTERM');
    const { code, signal } = await this.#served.ended;
    await rm(this.#models, { recursive: true, force: true });
    if (before !== null) return before;
    return code === 0 ? null : `the server did not drain: code ${code}, signal ${signal}`;
  }
}
