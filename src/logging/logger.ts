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
  /** Successful requests that took longer are always logged, milliseconds; 0 = none is. */
  readonly slowMs: number;
}

/** What a request line is made from. */
export interface RequestFacts {
  readonly method: string;
  readonly path: string;
  readonly requestId: string;
  /** Of the bodies. */
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** null for what is no inference, or was refused before its model was known. */
  readonly infer: InferFacts | null;
}

/** What is known of an inference; times that it did not come to are 0. */
export interface InferFacts {
  readonly target: { readonly model: string; readonly version: string };
  /** What its pictures took to become rows; 0 where it brought tensors. */
  readonly decodeUs: number;
  /** From the first byte to the start of its batch, and the batch's time in ONNX Runtime. */
  readonly queueUs: number;
  readonly runUs: number;
}

/** Longest path that is logged. */
const PATH_CHARS = 256;

/** Bytes of log that may wait for a slow reader; beyond that lines are dropped. */
const WAITING_BYTES = 4 * 1024 * 1024;

/** What could not be written is tried again after so long, milliseconds. */
const AGAIN_MS = 1_000;

/** Most time that the end of the process waits for the log's reader, milliseconds. */
const FLUSH_MS = 500;

/** What a log is written to. */
export interface Sink {
  readonly pino: PinoLogger;
  /** Resolves with true once everything is written, and with false where nobody reads. */
  readonly flush: () => Promise<boolean>;
  /** Lines lost so far because nobody read them, or the disk was full. */
  readonly dropped: () => number;
}

/** Lines for people and machines. */
export class Logger {
  readonly #sink: Sink;
  readonly #pino: PinoLogger;
  readonly #sampleEvery: number;
  readonly #slowUs: number;
  #answered = 0;

  constructor(sink: Sink, { sampleEvery, slowMs }: Pick<LogSettings, 'sampleEvery' | 'slowMs'>) {
    this.#sink = sink;
    this.#pino = sink.pino;
    this.#sampleEvery = sampleEvery;
    this.#slowUs = slowMs === 0 ? Number.POSITIVE_INFINITY : slowMs * 1000;
  }

  /** Lines lost so far because nobody read them, or the disk was full. */
  get dropped(): number {
    return this.#sink.dropped();
  }

  /** One request's end. @param error null for a success, which is sampled unless it was slow */
  request(facts: RequestFacts, status: number, error: GatewayError | null, totalUs: number): void {
    if (error === null) {
      const sampled = this.#sampleEvery > 0 && ++this.#answered % this.#sampleEvery === 0;
      if (totalUs > this.#slowUs)
        this.#pino.warn({ ...lineOf(facts, status, totalUs), slow: true }, 'request was slow');
      else if (sampled) this.#pino.info({ ...lineOf(facts, status, totalUs), sampled: this.#sampleEvery }, 'request');
      return;
    }
    const { code, limit, message: reason } = error;
    const line = { ...lineOf(facts, status, totalUs), code, ...(limit === null ? {} : { limit }), reason };
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
}

function lineOf(facts: RequestFacts, status: number, totalUs: number): object {
  const { requestId, method, path, bytesIn, bytesOut, infer } = facts;
  const line = { requestId, method, path: path.slice(0, PATH_CHARS), status, totalUs, bytesIn, bytesOut };
  if (infer === null) return line;
  const { target, decodeUs, queueUs, runUs } = infer;
  const { model, version } = target;
  return { ...line, model, version, ...(decodeUs > 0 ? { decodeUs } : {}), queueUs, runUs };
}

/** The process's logger, on standard output. */
export function createLogger(settings: LogSettings): Logger {
  const asText = settings.format === 'pretty' || (settings.format === 'auto' && process.stdout.isTTY === true);
  if (asText) {
    const stream = pretty({ colorize: process.stdout.isTTY === true, ignore: 'pid,hostname', sync: true });
    return new Logger(writtenAtOnce(pino({ level: settings.level }, stream)), settings);
  }
  return new Logger(waitingSink(settings.level), settings);
}

/** A sink whose lines never wait. */
export function writtenAtOnce(lines: PinoLogger): Sink {
  return { pino: lines, flush: async () => true, dropped: () => 0 };
}

/** Standard output, written from a bounded waiting room: whoever logs is never held up by whoever reads. */
function waitingSink(level: LogSettings['level']): Sink {
  // Each line is written at once; where there is no least length, nothing can be tried again.
  const out = destination({ dest: 1, sync: false, minLength: 1, maxLength: WAITING_BYTES });
  let dropped = 0;
  let waiting = false;
  let closed = false;
  let again: NodeJS.Timeout | null = null;
  const retry = () => {
    again = null;
    if (!closed) out.flush();
  };
  out.on('drop', () => dropped++);
  out.on('drain', () => {
    waiting = false;
  });
  // A full disk may have room again. A reader that has gone does not come back: pino writes nothing more then.
  out.on('error', ({ code }: NodeJS.ErrnoException) => {
    closed ||= code === 'EPIPE';
    if (closed) waiting = false;
    else if (again === null) again = setTimeout(retry, AGAIN_MS).unref();
  });
  const write = (line: string) => {
    if (closed) {
      dropped++;
      return;
    }
    waiting = true;
    out.write(line);
  };
  const flush = async (): Promise<boolean> => {
    // An error is a full disk, or a reader that has gone: there is no one to tell.
    if (waiting) await Promise.race([once(out, 'drain'), delay(FLUSH_MS)]).catch(() => undefined);
    if (waiting) {
      // pino would write the rest when the process ends, and would wait for the reader for ever.
      closed = true;
      out.destroy();
    }
    return !closed;
  };
  return { pino: pino({ level, base: null }, { write }), flush, dropped: () => dropped };
}
