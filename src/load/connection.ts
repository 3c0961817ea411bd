/**
 * One connection of a load to a server: opens it when a request needs it, writes bytes made ahead, and says what came of it.
 * It sends a request once. It keeps no clock: its owner notes when it calls.
 */

import { connect, type Socket } from 'node:net';
import type { Origin, WireRequest } from './figures.ts';
import { HttpAnswer } from './http-answer.ts';
import { shortageOf } from './shortage.ts';

/** Headers that a request does not bring itself, because the bytes on the wire decide them. */
const OWN_HEADERS = /^(host|content-length|transfer-encoding)$/i;
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const VISIBLE = /^[\t\x20-\x7e]*$/;
const PATH = /^\/[\x21-\x7e]*$/;

/** What went wrong with a request: the names of `ConnectionErrors`. */
export type Failure = 'connect' | 'reset' | 'timeout' | 'malformed';

/** Who is told. Each call is about the request in hand, except `lost`. */
export interface ConnectionOwner {
  /** Something came; told before what it is. */
  read(connection: Connection): void;
  /** First bytes of the answer are there. */
  began(connection: Connection): void;
  /** The answer is whole: `connection.answer` until the next request. `kept` is false where the connection is closed. */
  answered(connection: Connection, kept: boolean): void;
  /** There will be no whole answer, and the connection is closed. */
  failed(connection: Connection, failure: Failure): void;
  /** A connection that carried no request was closed by the server. */
  lost(connection: Connection): void;
  /** A connection could not be opened for want of something on this machine: the code of it. What became of it follows. */
  short(code: string): void;
}

/**
 * The bytes of a request: POST, Host, the request's own headers, Content-Length, body.
 * @throws RangeError for what cannot stand in a head
 */
export function encodeRequest(origin: Origin, request: WireRequest): Buffer {
  if (!PATH.test(request.path)) throw new RangeError(`'${request.path}' is no path of a request`);
  const host = origin.host.includes(':') ? `[${origin.host}]` : origin.host;
  const lines = [`POST ${request.path} HTTP/1.1`, `Host: ${host}:${origin.port}`];
  for (const [name, value] of Object.entries(request.headers)) {
    // The value may be a secret: it is not in the sentence.
    if (!TOKEN.test(name) || !VISIBLE.test(value)) throw new RangeError(`header '${name}' cannot be sent`);
    if (OWN_HEADERS.test(name)) throw new RangeError(`header '${name}' is set by the load itself`);
    lines.push(`${name}: ${value}`);
  }
  lines.push(`Content-Length: ${request.body.byteLength}`, '', '');
  return Buffer.concat([Buffer.from(lines.join('\r\n'), 'latin1'), request.body]);
}

/** A connection, closed at first. */
export class Connection {
  /** The owner's number for it. */
  readonly index: number;
  readonly answer = new HttpAnswer();
  readonly #origin: Origin;
  readonly #owner: ConnectionOwner;
  /** Where sockets read to, shared by all connections: it is looked at before the next read. */
  readonly #readBuffer: Buffer;
  #socket: Socket | null = null;
  #connected = false;
  #busy = false;
  #began = false;
  #whenOpen: ((open: boolean) => void) | null = null;

  constructor(index: number, origin: Origin, readBuffer: Buffer, owner: ConnectionOwner) {
    this.index = index;
    this.#origin = origin;
    this.#readBuffer = readBuffer;
    this.#owner = owner;
  }

  /** Opens it before there is a request. @returns whether it is open */
  warmUp(): Promise<boolean> {
    return new Promise((resolve) => {
      this.#whenOpen = resolve;
      this.#open();
    });
  }

  /** Sends a request, and opens the connection first where it is closed. Not while it carries one. */
  send(bytes: Buffer): void {
    this.#busy = true;
    this.#began = false;
    this.answer.begin();
    if (this.#socket === null) this.#open();
    this.#socket?.write(bytes);
  }

  /** Gives up the request in hand, which took too long. */
  giveUp(): void {
    this.#fail('timeout');
  }

  /** Closes it; nobody is told. */
  close(): void {
    this.#busy = false;
    this.#drop();
  }

  #open(): void {
    this.#connected = false;
    const onread = { buffer: this.#readBuffer, callback: (bytes: number) => this.#read(socket, bytes) };
    const socket: Socket = connect({ host: this.#origin.host, port: this.#origin.port, noDelay: true, onread });
    this.#socket = socket;
    socket.on('connect', () => this.#opened(socket));
    // An error is always followed by 'close', which says the same of every way to end.
    socket.on('error', (error) => this.#failing(error));
    socket.on('end', () => this.#ended(socket));
    socket.on('close', () => this.#ended(socket));
  }

  #failing(error: Error): void {
    const code = shortageOf(error);
    if (code !== '') this.#owner.short(code);
  }

  #opened(socket: Socket): void {
    if (socket !== this.#socket) return;
    this.#connected = true;
    this.#settleWarmUp(true);
  }

  /** @returns whether the socket reads on */
  #read(socket: Socket, bytes: number): boolean {
    if (socket !== this.#socket) return false;
    this.#owner.read(this);
    if (this.#busy) this.#take(bytes);
    else this.#drop(true);
    return true;
  }

  #take(bytes: number): void {
    if (!this.#began) {
      this.#began = true;
      this.#owner.began(this);
    }
    this.answer.feed(this.#readBuffer, bytes);
    if (this.answer.done) this.#finish();
    else if (this.answer.malformed) this.#fail('malformed');
  }

  #finish(): void {
    this.#busy = false;
    // A server may answer before it has read all: what is still to be written would stand before the next request.
    const kept = !this.answer.closing && this.#socket?.writableLength === 0;
    if (!kept) this.#drop();
    this.#owner.answered(this, kept);
  }

  #ended(socket: Socket): void {
    if (socket !== this.#socket) return;
    this.answer.close();
    if (!this.#busy) this.#drop(true);
    else if (this.answer.done) this.#finish();
    else this.#fail('reset');
  }

  #fail(failure: Failure): void {
    this.#busy = false;
    const connected = this.#connected;
    this.#drop();
    this.#owner.failed(this, connected ? failure : 'connect');
  }

  /** Forgets the socket: what it still says is nobody's. */
  #drop(idle = false): void {
    const connected = this.#connected;
    this.#socket?.destroy();
    this.#socket = null;
    this.#connected = false;
    this.#settleWarmUp(false);
    if (idle && connected) this.#owner.lost(this);
  }

  #settleWarmUp(open: boolean): void {
    this.#whenOpen?.(open);
    this.#whenOpen = null;
  }
}
