/**
 * The log: the only importer of pino. JSON lines, pretty on a terminal; one line per refused or failed request, one of many
 * for the others; never a tensor, a body or a token. A log that cannot be written loses lines, it never holds a request up.
 */

import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
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

/** Most time that the end of the process waits for the log's reader, milliseconds. */
const FLUSH_MS = 500;

/** What a log is written to. */
export interface Sink {
  readonly pino: PinoLogger;
  /** Resolves with true once everything is written, and with false where nobody reads. */
  readonly flush: () => Promise<boolean>;
  /** Lines lost so far because nobody read them. */
  readonly dropped: () => number;
}

/** Lines for people and machines. */
export class Logger {
  readonly #sink: Sink;
  readonly #pino: PinoLogger;
  readonly #sampleEvery: number;
  #answered = 0;

  constructor(sink: Sink, sampleEvery: number) {
    this.#sink = sink;
    this.#pino = sink.pino;
    this.#sampleEvery = sampleEvery;
  }

  /** Lines lost so far because nobody read them. */
  get dropped(): number {
    return this.#sink.dropped();
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

  /** Waits a little for what is still to be written, before the process ends. False where nobody reads it. */
  flush(): Promise<boolean> {
    return this.#sink.flush();
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
    return new Logger(writtenAtOnce(pino({ level: settings.level }, stream)), settings.sampleEvery);
  }
  return new Logger(waitingSink(settings.level), settings.sampleEvery);
}

/** A sink whose lines never wait. */
export function writtenAtOnce(lines: PinoLogger): Sink {
  return { pino: lines, flush: async () => true, dropped: () => 0 };
}

/** Standard output, written from a bounded waiting room: whoever logs is never held up by whoever reads. */
function waitingSink(level: LogSettings['level']): Sink {
  const out = destination({ dest: 1, sync: false, minLength: 0, maxLength: WAITING_BYTES });
  let dropped = 0;
  let waiting = false;
  out.on('drop', () => dropped++);
  out.on('drain', () => {
    waiting = false;
  });
  const write = (line: string) => {
    waiting = true;
    out.write(line);
  };
  const flush = async (): Promise<boolean> => {
    // An error is a reader that has gone: there is no one to tell.
    if (waiting) await Promise.race([once(out, 'drain'), delay(FLUSH_MS)]).catch(() => undefined);
    // pino would write the rest when the process ends, and would wait for the reader for ever.
    if (waiting) out.destroy();
    return !waiting;
  };
  return { pino: pino({ level, base: null }, { write }), flush, dropped: () => dropped };
}
