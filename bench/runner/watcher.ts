/** Somebody who goes on asking for documents while a server has other things to do, each on a connection of its own. */

import { Agent, get } from 'node:http';

/** Between an answer and the next question. */
const PAUSE_MS = 100;
/** An answer that takes longer is none. */
const ANSWER_MS = 5_000;

/** What came of the questions for one document. */
export interface Asked {
  asked: number;
  failed: number;
  slowestMs: number;
  /** The last failure. */
  why: string;
}

/** Asks until it is stopped. */
export class Watcher {
  readonly #found: Record<string, Asked> = {};
  readonly #askers: Promise<void>[];
  readonly #agent = new Agent({ keepAlive: true });
  #over = false;

  constructor(urls: readonly string[]) {
    this.#askers = urls.map((url) => {
      const found = { asked: 0, failed: 0, slowestMs: 0, why: '' };
      this.#found[url] = found;
      return this.#ask(url, found);
    });
  }

  /** Awaits the last answers. @returns what came, by document */
  async stop(): Promise<Readonly<Record<string, Asked>>> {
    this.#over = true;
    await Promise.all(this.#askers);
    this.#agent.destroy();
    return this.#found;
  }

  async #ask(url: string, found: Asked): Promise<void> {
    while (!this.#over) {
      const startedMs = performance.now();
      found.asked++;
      try {
        const status = await statusOf(url, this.#agent);
        if (status !== 200) throw new Error(`status ${status}`);
      } catch (error) {
        found.failed++;
        found.why = (error as Error).message;
      }
      found.slowestMs = Math.max(found.slowestMs, performance.now() - startedMs);
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }
}

function statusOf(url: string, agent: Agent): Promise<number> {
  return new Promise((resolve, reject) => {
    const asked = get(url, { agent, timeout: ANSWER_MS }, (answer) => {
      answer.resume();
      answer.once('error', reject);
      answer.once('end', () => resolve(answer.statusCode ?? 0));
    });
    asked.once('timeout', () => asked.destroy(new Error(`no answer within ${ANSWER_MS} ms`)));
    asked.once('error', reject);
  });
}
