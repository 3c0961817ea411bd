/** A raw connection that reads answers strictly: every byte that comes back belongs to a well-formed HTTP/1.1 answer. */

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** One answer, taken apart. Names are lower case. */
export interface Answer {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer;
}

/** What came back for one request. */
export interface Outcome {
  readonly answers: readonly Answer[];
  /** Bytes behind the last whole answer. */
  readonly rest: Buffer;
  /** The connection has ended. */
  readonly closed: boolean;
}

/** How long a request with broken framing may stay without an answer before it is left. */
const QUIET_MS = 60;

/** How long any request may take. */
const PATIENCE_MS = 15_000;

/** One connection of a client; opened when needed. */
export class Connection {
  readonly #port: number;
  #socket: Socket | null = null;
  #received: Buffer = Buffer.alloc(0);
  #wake: () => void = () => undefined;

  constructor(port: number) {
    this.#port = port;
  }

  /** Sends a request whose framing is right; resolves with its answer, or when the connection has ended. */
  async ask(bytes: Buffer, method: string): Promise<Outcome> {
    const socket = await this.#open();
    socket.write(bytes);
    const outcome = await this.#read(method, PATIENCE_MS, 1);
    // Nothing may follow the one answer; what is on its way comes within a turn or two.
    await new Promise((resolve) => setImmediate(resolve));
    const surplus = this.#take(method);
    const closes = outcome.answers.at(-1)?.headers.get('connection') === 'close';
    if (closes || outcome.closed || outcome.answers.length === 0) this.drop();
    return { ...outcome, answers: [...outcome.answers, ...surplus.answers], rest: surplus.rest };
  }

  /**
   * Sends bytes of which nobody knows where a request ends; resolves once nothing comes any more.
   * @param leavesAfter the client goes away after so many bytes; -1 = it stays
   */
  async provoke(bytes: Buffer, method: string, leavesAfter: number): Promise<Outcome> {
    this.drop();
    const socket = await this.#open();
    socket.write(leavesAfter < 0 ? bytes : bytes.subarray(0, leavesAfter));
    const outcome = leavesAfter < 0 ? await this.#read(method, QUIET_MS, Number.POSITIVE_INFINITY) : NOTHING;
    if (leavesAfter >= 0) await new Promise((resolve) => setImmediate(resolve));
    this.drop();
    return outcome;
  }

  /** Ends the connection with a reset, which leaves no port waiting. */
  drop(): void {
    this.#socket?.resetAndDestroy();
    this.#socket = null;
    this.#received = Buffer.alloc(0);
  }

  async #open(): Promise<Socket> {
    if (this.#socket !== null && !this.#socket.destroyed && this.#socket.readable) return this.#socket;
    this.drop();
    const socket = connect({ port: this.#port, host: '127.0.0.1', noDelay: true });
    this.#socket = socket;
    socket.on('data', (chunk) => {
      if (this.#socket === socket) this.#received = Buffer.concat([this.#received, chunk]);
      this.#wake();
    });
    // A reset is an end like another: what matters is whether an answer came before.
    socket.on('error', () => undefined);
    socket.on('close', () => this.#wake());
    await once(socket, 'connect');
    return socket;
  }

  /** Until `wanted` answers are there, the connection has ended, or nothing came for `quietMs`. */
  async #read(method: string, quietMs: number, wanted: number): Promise<Outcome> {
    const answers: Answer[] = [];
    for (;;) {
      const found = this.#take(method);
      answers.push(...found.answers);
      const closed = this.#socket === null || this.#socket.destroyed || this.#socket.readableEnded;
      if (answers.length >= wanted || closed) return { answers, rest: found.rest, closed };
      if (!(await this.#somethingCame(quietMs))) return { answers, rest: found.rest, closed: false };
    }
  }

  #somethingCame(quietMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(false), quietMs);
      this.#wake = () => {
        clearTimeout(timer);
        resolve(true);
      };
    });
  }

  /** The whole answers received so far. */
  #take(method: string): { answers: Answer[]; rest: Buffer } {
    const answers: Answer[] = [];
    for (;;) {
      const found = parseAnswer(this.#received, method);
      if (found === null) return { answers, rest: this.#received };
      this.#received = this.#received.subarray(found.length);
      // 100 Continue is no answer yet.
      if (found.answer.status >= 200) answers.push(found.answer);
    }
  }
}

const NOTHING: Outcome = { answers: [], rest: Buffer.alloc(0), closed: true };

/** An answer that is not HTTP. */
export class MalformedAnswer extends Error {}

const STATUS_LINE = /^HTTP\/1\.1 (\d{3}) [\x20-\x7e]+$/;
const HEADER_LINE = /^([!#$%&'*+.^_`|~\w-]+): ?([\x20-\x7e\x80-\xff]*)$/;

function parseAnswer(bytes: Buffer, method: string): { answer: Answer; length: number } | null {
  const end = bytes.indexOf('\r\n\r\n');
  if (end < 0) return null;
  const [first, ...lines] = bytes.toString('latin1', 0, end).split('\r\n');
  const status = Number(STATUS_LINE.exec(first as string)?.[1] ?? malformed(first as string));
  const headers = new Map<string, string>();
  for (const line of lines) {
    const [, name, value] = HEADER_LINE.exec(line) ?? malformed(line);
    const key = (name as string).toLowerCase();
    if (headers.has(key)) malformed(`${line}, given twice`);
    headers.set(key, value as string);
  }
  const start = end + 4;
  const length = method === 'HEAD' || status < 200 ? 0 : bodyLength(headers, bytes.length - start);
  if (bytes.length < start + length) return null;
  return { answer: { status, headers, body: bytes.subarray(start, start + length) }, length: start + length };
}

/** What uWebSockets.js says by itself has no length: it ends with the connection. */
function bodyLength(headers: ReadonlyMap<string, string>, received: number): number {
  const length = headers.get('content-length');
  if (length === undefined) return headers.get('connection') === 'close' ? received : malformed('no Content-Length');
  return /^\d+$/.test(length) ? Number(length) : malformed(`Content-Length: ${length}`);
}

function malformed(what: string): never {
  throw new MalformedAnswer(`no HTTP answer: ${JSON.stringify(what.slice(0, 200))}`);
}
