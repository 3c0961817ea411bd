/** Hostile clients over bare sockets, and the oracle that holds after whatever they did. Loopback only. */

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { expect } from 'vitest';
import { get, I, post, type Reply } from './gateway.ts';

/** The server under attack, which must serve `simple`. */
export interface Attacked {
  /** `http://HOST:PORT` */
  readonly url: string;
  readonly adminUrl: string;
  /** What it held before the first attack, when nothing had been left running by another. */
  idle?: Gauges;
}

/** Rows that wait, and bytes held. */
export type Gauges = Readonly<Record<string, number>>;

/** One HTTP answer, as it came. */
export interface Answer {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** All that a connection had to say. */
export interface Said {
  readonly answers: readonly Answer[];
  /** Whether the server closed the connection within the time given. */
  readonly closed: boolean;
}

/** What is written: text (latin1), bytes, or a pause in milliseconds. */
export type Piece = string | Uint8Array | number;

/** How long a server that has answered, and did not say that it would close, is watched for more. */
const SETTLE_MS = 25;

/** An open connection; errors end in a close, which is what is looked at. */
export async function opened(url: string): Promise<Socket> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname.replace(/^\[|\]$/g, ''));
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  return socket;
}

/** Writes the pieces on a connection of its own and listens: until it is closed, has answered and is quiet, or for `mostMs`. */
export async function speak(url: string, pieces: readonly Piece[], mostMs = 2_000): Promise<Said> {
  const socket = await opened(url);
  const said = listen(socket, mostMs);
  await write(socket, pieces);
  return said;
}

/** Writes pieces one after the other, for as long as there is somebody to write to. */
export async function write(socket: Socket, pieces: readonly Piece[]): Promise<void> {
  for (const piece of pieces) {
    if (socket.destroyed) return;
    if (typeof piece === 'number') await pause(piece);
    else if (!socket.write(typeof piece === 'string' ? Buffer.from(piece, 'latin1') : piece)) {
      // Ends with the connection as well, in whatever way that ends.
      await Promise.race([once(socket, 'drain'), once(socket, 'close')]).catch(() => undefined);
    }
  }
}

/** Listens to a connection, and ends it. @param settleMs how long it must have been quiet behind an answer for that. */
export function listen(socket: Socket, mostMs: number, settleMs = SETTLE_MS): Promise<Said> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let quiet: NodeJS.Timeout | null = null;
    const end = (closed: boolean) => {
      clearTimeout(limit);
      if (quiet !== null) clearTimeout(quiet);
      socket.destroy();
      resolve({ answers: answersIn(Buffer.concat(chunks)), closed });
    };
    const limit = setTimeout(() => end(false), mostMs);
    socket.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      if (quiet !== null) clearTimeout(quiet);
      if (!/^connection: close/im.test(chunk.toString('latin1'))) quiet = setTimeout(() => end(false), settleMs);
    });
    socket.on('close', () => end(true));
  });
}

/** The answers in a stream of them; what is no HTTP fails the test. */
export function answersIn(bytes: Buffer): Answer[] {
  const answers: Answer[] = [];
  let rest = bytes.toString('latin1');
  while (rest !== '') {
    const head = /^HTTP\/1\.1 (\d{3}) [^\r\n]+\r\n((?:[^\r\n]+\r\n)*)\r\n/.exec(rest);
    if (head === null) throw new Error(`this is no HTTP answer: ${JSON.stringify(rest.slice(0, 200))}`);
    const lines = (head[2] as string).split('\r\n').slice(0, -1);
    const headers = Object.fromEntries(
      lines.map((line) => [line.split(': ')[0]?.toLowerCase(), line.slice(line.indexOf(': ') + 2)]),
    );
    const from = head[0].length;
    // The pages that uWebSockets.js writes by itself have no length: they end with the connection.
    const length = head[1] === '100' ? 0 : Number(headers['content-length'] ?? rest.length - from);
    answers.push({ status: Number(head[1]), headers, body: rest.slice(from, from + length) });
    rest = rest.slice(from + length);
  }
  return answers;
}

/** A request as it stands on the wire. */
export function request(line: string, headers: readonly string[] = [], body = ''): string {
  return `${[`${line} HTTP/1.1`, 'Host: 127.0.0.1', ...headers].join('\r\n')}\r\n\r\n${body}`;
}

/** An inference request for `model` with a body of one byte per character. */
export function inferRequest(model: string, body: string, headers: readonly string[] = []): string {
  return request(`POST /v2/models/${model}/infer`, [`Content-Length: ${body.length}`, ...headers], body);
}

/** A body as one chunk. */
export function chunked(body: string): string {
  return `${Buffer.byteLength(body).toString(16)}\r\n${body}\r\n0\r\n\r\n`;
}

/** What no answer may hold: paths, stacks, and the names of what we are made of. */
const LEAKS =
  /\/(?:work|home|root|usr|tmp|src|node_modules)\b|\bat \S+ \(|\.(?:ts|mjs|cc|onnx):?\d*\b|node:|onnx\s?runtime|uwebsockets|piscina|napi|\bV8\b/i;

/** Asserts our one form of refusal. @returns its sentence */
export function expectRefusal(answer: Answer | undefined, ...statuses: number[]): string {
  expect(statuses).toContain(answer?.status);
  const { headers, body } = answer as Answer;
  expect(headers['content-type']).toBe('application/json');
  expect(headers['content-encoding']).toBeUndefined();
  expect(headers['x-error-code']).toMatch(/^[A-Z_]+$/);
  return sentenceOf(JSON.parse(body));
}

/** The same for an answer that came through fetch. */
export function expectRefused(reply: Reply, ...statuses: number[]): string {
  expect(statuses, JSON.stringify(reply.json)).toContain(reply.status);
  expect(reply.headers.get('content-type')).toBe('application/json');
  expect(reply.headers.get('content-encoding')).toBeNull();
  return sentenceOf(reply.json);
}

function sentenceOf(document: unknown): string {
  expect(document).toEqual({ error: expect.any(String) });
  const { error } = document as { error: string };
  expect(error).not.toBe('');
  // What a client sent is shown to it in part at most.
  expect(error.length).toBeLessThan(400);
  expect(error).not.toMatch(LEAKS);
  return error;
}

/** Asserts a page of uWebSockets.js's own: no JSON of ours, the connection closed, and nothing behind it. */
export function expectOwnPage(said: Said, status: number): void {
  expect(said.answers.map((answer) => answer.status)).toEqual([status]);
  expect(said.answers[0]?.headers).toEqual({ connection: 'close' });
  expect(said.answers[0]?.body).toMatch(/^<h1>/);
  expect(said.closed).toBe(true);
}

/**
 * Runs an attack, and asserts what holds after every one: good requests at the same time, sharing a batch with it where
 * it got that far, are answered exactly; the server is live, answers the next one, and holds nothing back.
 */
export async function unharmed<T>(server: Attacked, attack: () => Promise<T>): Promise<T> {
  server.idle ??= await gauges(server);
  let over = false;
  const attacking = attack().finally(() => {
    over = true;
  });
  let k = 0;
  do {
    const asked = [++k, ++k, ++k];
    expect(await Promise.all(asked.map((value) => neighbour(server, value)))).toEqual(asked.map((value) => 2 * value));
    await Promise.race([attacking.catch(() => undefined), pause(20)]);
  } while (!over);
  const result = await attacking;
  expect((await get(`${server.url}/v2/health/live`)).status).toBe(200);
  expect(await neighbour(server, 21)).toBe(42);
  await expect.poll(() => gauges(server), { timeout: 5_000, interval: 20 }).toEqual(server.idle);
  return result;
}

/** A good request; its sum. */
export async function neighbour(server: Attacked, value: number): Promise<number> {
  const data = Array(16).fill(value);
  const inputs = [I('INPUT0', 'INT32', [1, 16], data), I('INPUT1', 'INT32', [1, 16], data)];
  const { status, json } = await post(`${server.url}/v2/models/simple/infer`, { inputs });
  expect(status, JSON.stringify(json)).toBe(200);
  expect(json.outputs[1].data).toEqual(Array(16).fill(0));
  expect(new Set(json.outputs[0].data).size).toBe(1);
  return json.outputs[0].data[0];
}

async function gauges(server: Attacked): Promise<Gauges> {
  const text = await (await fetch(`${server.adminUrl}/metrics`)).text();
  return {
    arenaBytes: sum(text, 'penstock_arena_bytes'),
    gatheredBytes: sum(text, 'penstock_gathered_bytes'),
    queueRows: sum(text, 'penstock_queue_rows'),
  };
}

/** The sum of a metric's series that carry `label`. */
export function sum(text: string, name: string, label = ''): number {
  const series = [...text.matchAll(new RegExp(`^${name}(\\{.*\\})? (\\S+)$`, 'gm'))];
  return series
    .filter(([, labels]) => label === '' || labels?.includes(label))
    .reduce((n, found) => n + Number(found[2]), 0);
}

/** Waits. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
