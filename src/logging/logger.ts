/**
 * The log: the only importer of pino. JSON lines, pretty on a terminal; one line per refused or failed request, one of many
 * for the others; never a tensor, a body or a token. A log that cannot be written loses lines, it never holds a request up.
 */

import { destination, type Logger as PinoLogger, pino } from 'pino';
import pretty from 'pino-pretty';
import type { GatewayError } from '../core/error.ts';

/** How much is logged, and in which form. */
export interface LogSettings {
  readonly level: 'debug' | 'info' | 'warn' | 'error' | 'silent';
  /** `auto`: pretty on a terminal, JSON otherwise. */
  readonly format: 'auto' | 'json' | 'pretty';
  /** One of so many successful requests is logged; 0 = none. */
  readonly sampleEvery: number;
}

/** What a request line is made from. */
export interface RequestFacts {
  readonly method: string;
  readonly path: string;
  readonly requestId: string;
}

/** Longest path that is logged. */
const PATH_CHARS = 256;

/** Bytes of log that may wait for a slow reader; beyond that lines are dropped. */
const WAITING_BYTES = 4 * 1024 * 1024;

/** Lines for people and machines. */
export class Logger {
  readonly #pino: PinoLogger;
  readonly #sampleEvery: number;
  readonly #flush: () => void;
  readonly #dropped: () => number;
  #answered = 0;

  constructor(sink: PinoLogger, sampleEvery: number, flush: () => void, dropped: () => number = () => 0) {
    this.#pino = sink;
    this.#sampleEvery = sampleEvery;
    this.#flush = flush;
    this.#dropped = dropped;
  }

  /** Lines lost so far because nobody read them. */
  get dropped(): number {
    return this.#dropped();
  }

  /** One request's end. @param error null for a success, which is sampled */
  request(facts: RequestFacts, status: number, error: GatewayError | null): void {
    if (error === null) {
      this.#answered++;
      if (this.#sampleEvery === 0 || this.#answered % this.#sampleEvery !== 0) return;
      this.#pino.info({ ...this.#line(facts), status, sampled: this.#sampleEvery }, 'request');
      return;
    }
    const line = { ...this.#line(facts), status, code: error.code, reason: error.message };
    if (status >= 500 && error.cause !== undefined) this.#pino.error({ ...line, err: error.cause }, 'request failed');
    else this.#pino.info(line, 'request refused');
  }

  info(fields: object, message: string): void {
    this.#pino.info(fields, message);
  }

  warn(fields: object, message: string): void {
    this.#pino.warn(fields, message);
  }

  error(fields: object, message: string): void {
    this.#pino.error(fields, message);
  }

  /** Writes what is waiting, before the process ends. */
  flush(): void {
    try {
      this.#flush();
    } catch {
      // Nobody reads any more: there is no one to tell.
    }
  }

  #line(facts: RequestFacts): object {
    return { requestId: facts.requestId, method: facts.method, path: facts.path.slice(0, PATH_CHARS) };
  }
}

/** The process's logger, on standard output. */
export function createLogger(settings: LogSettings): Logger {
  const asText = settings.format === 'pretty' || (settings.format === 'auto' && process.stdout.isTTY === true);
  if (asText) {
    const stream = pretty({ colorize: process.stdout.isTTY === true, ignore: 'pid,hostname', sync: true });
    return new Logger(pino({ level: settings.level }, stream), settings.sampleEvery, () => undefined);
  }
  const out = destination({ dest: 1, sync: false, minLength: 0, maxLength: WAITING_BYTES });
  let dropped = 0;
  out.on('drop', () => dropped++);
  const sink = pino({ level: settings.level, base: null }, out);
  return new Logger(
    sink,
    settings.sampleEvery,
    () => out.flushSync(),
    () => dropped,
  );
}
