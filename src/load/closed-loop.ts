/**
 * The closed loop: each connection sends its next request when the one before it was answered. autocannon (only importer)
 * drives the connections; what is counted, and when a connection is anew, is decided here.
 */

import { isIPv6 } from 'node:net';
import autocannon, { type Client, type Head, type Request } from 'autocannon';
import type { ConnectionErrors, LoadFigures, LoadPlan, WireRequest } from './figures.ts';
import { LatencyHistogram, NO_QUANTILES } from './histogram.ts';
import type { Progress } from './progress.ts';
import { Refusals } from './refusals.ts';
import { shortageOf, shortageReason } from './shortage.ts';
import { busySince } from './turns.ts';

/** Longest wait for a whole answer, unless the options say otherwise. */
export const ANSWER_LIMIT_MS = 10_000;
/**
 * Failures in a row, without any answer in between, after which a run ends: nobody is there. Each connection has some, so
 * that a wide run is not ended by one moment in which all of them failed.
 */
export const HOPELESS_FAILURES = 1000;
const HOPELESS_PER_CONNECTION = 10;
/** How often progress is told. */
const PROGRESS_MS = 500;
/** How often autocannon looks whether it is done. */
const DONE_CHECK_MS = 50;

/** How a run is watched and stopped. */
export interface ClosedLoopOptions {
  /** Longest wait for a whole answer; whole seconds, at least one. */
  readonly answerLimitMs?: number;
  /** Ends the run early; what was counted until then is its figures. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: Progress) => void;
}

/**
 * Sends for `plan.durationS`, waits for the last answers, and tells what came. `server` of the figures is null: whoever
 * called reads the server's counters.
 */
export async function runClosedLoop(plan: LoadPlan, options: ClosedLoopOptions = {}): Promise<LoadFigures> {
  const run = new ClosedLoop(plan, options.answerLimitMs ?? ANSWER_LIMIT_MS);
  const stop = () => run.stopSending();
  const end = setTimeout(stop, plan.durationS * 1000);
  const progress = setInterval(() => options.onProgress?.(run.progress()), PROGRESS_MS);
  options.signal?.addEventListener('abort', stop);
  if (options.signal?.aborted) run.stopSending();
  try {
    await run.done;
    return run.figures();
  } finally {
    clearTimeout(end);
    clearInterval(progress);
    options.signal?.removeEventListener('abort', stop);
  }
}

/** What is known of a connection and the request that it waits for. */
interface Flight {
  waiting: boolean;
  /** The socket that the last request was written to. */
  conn: Client['conn'] | null;
  /** Whether that socket was ever open. */
  connected: boolean;
  sentUs: number;
  status: number;
  head: readonly string[];
  /** Whether the answer that is read says that the server closes behind it. */
  announced: boolean;
  /** Whether the last whole answer on this connection did. */
  closing: boolean;
  malformed: boolean;
}

/** What there was when the sending ended: answers after it had more time, and are not in the rates. */
interface Sending {
  readonly seconds: number;
  readonly answered: number;
  readonly ok: number;
  readonly busy: number;
}

class ClosedLoop {
  readonly done: Promise<unknown>;
  readonly #plan: LoadPlan;
  readonly #limitMs: number;
  readonly #clients: Client[] = [];
  readonly #latency = new LatencyHistogram();
  readonly #refusals = new Refusals();
  readonly #errors: Record<keyof ConnectionErrors, number> = { connect: 0, reset: 0, timeout: 0, malformed: 0 };
  readonly #cpuBefore = process.cpuUsage();
  readonly #loopBefore = performance.eventLoopUtilization();
  readonly #startUs = nowUs();
  readonly #hopeless: number;
  #sent = 0;
  #ok = 0;
  #late = 0;
  #failuresInRow = 0;
  #void = '';
  #sending: Sending | null = null;

  constructor(plan: LoadPlan, limitMs: number) {
    this.#plan = plan;
    this.#limitMs = Math.max(1, Math.ceil(limitMs / 1000)) * 1000;
    this.#hopeless = Math.max(HOPELESS_FAILURES, HOPELESS_PER_CONNECTION * plan.connections);
    const { host, port } = plan.origin;
    const requests = plan.requests.map(toRequest);
    this.done = Promise.resolve(
      autocannon({
        url: `http://${isIPv6(host) ? `[${host}]` : host}:${port}`,
        connections: plan.connections,
        // Ours ends the run: autocannon's own would cut off answers on their way.
        duration: plan.durationS + this.#limitMs / 1000 + 1,
        timeout: this.#limitMs / 1000,
        sampleInt: DONE_CHECK_MS,
        setupClient: (client) => this.#setUp(client, requests),
      }),
    );
  }

  /** Connections end when the answer they wait for is there. */
  stopSending(): void {
    if (this.#sending !== null) return;
    this.#sending = this.#soFar();
    for (const client of this.#clients) client.responseMax = Math.max(1, client.reqsMade);
  }

  #soFar(): Sending {
    const seconds = Math.max(nowUs() - this.#startUs, 1) / 1e6;
    return { seconds, answered: this.#answered, ok: this.#ok, busy: busySince(this.#loopBefore) };
  }

  progress(): Progress {
    const refused = this.#refusals.count;
    const counts = {
      sent: this.#sent,
      ok: this.#ok,
      late: this.#late,
      refused,
      failed: this.#failed,
      inFlight: this.#inFlight,
      waitingUs: 0,
    };
    const elapsedS = (nowUs() - this.#startUs) / 1e6;
    return { elapsedS, ...counts, p50: this.#latency.at(0.5), p99: this.#latency.at(0.99) };
  }

  get #failed(): number {
    const { connect, reset, timeout, malformed } = this.#errors;
    return connect + reset + timeout + malformed;
  }

  get #answered(): number {
    return this.#ok + this.#late + this.#refusals.count;
  }

  get #inFlight(): number {
    return this.#sent - this.#answered - this.#failed;
  }

  figures(): LoadFigures {
    const plan = this.#plan;
    const { seconds, answered, ok, busy } = this.#sending ?? this.#soFar();
    const { user, system } = process.cpuUsage(this.#cpuBefore);
    return {
      loop: plan.loop,
      connections: plan.connections,
      durationS: seconds,
      deadlineMs: plan.deadlineMs,
      offered: this.#sent / seconds,
      achieved: answered / seconds,
      goodput: ok / seconds,
      sent: this.#sent,
      ok: this.#ok,
      late: this.#late,
      refused: this.#refusals.figures(),
      errors: { ...this.#errors },
      unanswered: this.#inFlight,
      latency: this.#latency.distribution(),
      wait: NO_QUANTILES,
      firstByte: null,
      generator: {
        lag: NO_QUANTILES,
        cpuUsPerRequest: (user + system) / Math.max(this.#sent, 1),
        busy,
        void: this.#void,
      },
      server: null,
    };
  }

  /** Called by autocannon before the client connects and sends. */
  #setUp(client: Client, requests: Request[]): void {
    const flight: Flight = {
      waiting: false,
      conn: null,
      connected: false,
      sentUs: 0,
      status: 0,
      head: [],
      announced: false,
      closing: false,
      malformed: false,
    };
    // Each connection begins with another body. The list is shared, so that bodies are in memory once.
    const first = this.#clients.length % requests.length;
    this.#clients.push(client);
    client.setRequests([...requests.slice(first), ...requests.slice(0, first)]);
    // Nobody reads answers here, and a string that grows with one that never ends would take all memory.
    client.pipelinedRequests.addBody = () => undefined;
    client.on('request', () => this.#onRequest(client, flight));
    client.on('headers', (head: Head) => {
      flight.status = head.statusCode;
      flight.head = head.headers;
      flight.announced = !head.shouldKeepAlive;
    });
    client.on('response', () => this.#onResponse(flight));
    client.on('connError', (error: Error) => this.#onError(flight, error));
    client.on('done', () => this.#onLost(flight));
    refuseMalformed(client, flight);
  }

  /** Runs right before a request is written. */
  #onRequest(client: Client, flight: Flight): void {
    this.#onLost(flight);
    if (flight.conn !== client.conn) {
      if (flight.conn !== null) forget(client, flight.conn);
      flight.conn = client.conn;
      flight.connected = false;
      client.conn.once('connect', () => {
        flight.connected = true;
      });
      flight.announced = false;
      flight.closing = false;
      flight.malformed = false;
      // autocannon does not tell its parser, and a body without a length ends there. Before its own listener: that connects anew.
      client.conn.prependListener('end', () => client.parser.finish());
    }
    flight.waiting = true;
    flight.sentUs = nowUs();
    this.#sent++;
  }

  /**
   * autocannon tells neither that a server closed nor, in time, that it waited too long: a request that is still waited for
   * when the next one comes, or the end, got no answer.
   */
  #onLost(flight: Flight): void {
    if (!flight.waiting) return;
    const timedOut = nowUs() - flight.sentUs >= (this.#limitMs - 1) * 1000;
    this.#onFailure(timedOut ? 'timeout' : 'reset', flight);
  }

  #onError(flight: Flight, error: Error): void {
    const shortage = shortageOf(error);
    if (shortage !== '') this.#void = shortageReason(shortage);
    if (flight.waiting) this.#onFailure(flight.malformed ? 'malformed' : 'reset', flight);
  }

  #onFailure(kind: keyof ConnectionErrors, flight: Flight): void {
    flight.waiting = false;
    // Written before autocannon saw the server close as it had announced: the next request is this one once more.
    if (flight.closing && kind === 'reset') {
      this.#sent--;
      return;
    }
    // Errors of a connection that never was open have many shapes, those of a name with two addresses among them.
    this.#errors[flight.connected ? kind : 'connect']++;
    if (++this.#failuresInRow >= this.#hopeless) this.#giveUp();
  }

  #giveUp(): void {
    if (this.#sending !== null) return;
    this.#void ||= `ended after ${this.#hopeless} failures in a row`;
    this.stopSending();
  }

  #onResponse(flight: Flight): void {
    const { status, head } = flight;
    flight.waiting = false;
    flight.closing = flight.announced;
    this.#failuresInRow = 0;
    const us = nowUs() - flight.sentUs;
    if (status < 200 || status > 299) {
      this.#refusals.record(status, headerOf(head, 'x-error-code'), headerOf(head, 'retry-after') !== '', us);
      return;
    }
    const { deadlineMs } = this.#plan;
    if (deadlineMs !== null && us > deadlineMs * 1000) this.#late++;
    else this.#ok++;
    this.#latency.record(us);
  }
}

/** autocannon keeps the parser and the list of requests over connections: half an answer would be read into the next one. */
function forget(client: Client, conn: Client['conn']): void {
  conn.removeAllListeners('data').removeAllListeners('end').removeAllListeners('error');
  conn.on('error', () => undefined);
  conn.destroy();
  client.pipelinedRequests.clear();
  client.parser.reinitialize('RESPONSE');
}

/** autocannon passes over what its parser refuses, and would wait for more until the time is up. */
function refuseMalformed(client: Client, flight: Flight): void {
  const execute = client.parser.execute.bind(client.parser);
  client.parser.execute = (chunk) => {
    const result = execute(chunk);
    if (typeof result !== 'number' && !flight.malformed) {
      flight.malformed = true;
      client.conn.destroy(result);
    }
    return result;
  };
}

function toRequest({ path, headers, body }: WireRequest): Request {
  return {
    method: 'POST',
    path,
    headers: { ...headers },
    body: Buffer.from(body.buffer, body.byteOffset, body.byteLength),
  };
}

function headerOf(head: readonly string[], name: string): string {
  for (let i = 0; i + 1 < head.length; i += 2) {
    if ((head[i] as string).toLowerCase() === name) return head[i + 1] as string;
  }
  return '';
}

function nowUs(): number {
  return performance.now() * 1000;
}
