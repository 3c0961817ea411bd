/** The part of autocannon (pinned exactly) that the closed loop uses: it brings no types. */

declare module 'autocannon' {
  import type { EventEmitter } from 'node:events';
  import type { Socket } from 'node:net';

  export interface Request {
    method: string;
    path: string;
    headers: Record<string, string>;
    body: Buffer;
  }

  export interface Options {
    url: string;
    connections: number;
    /** Seconds. */
    duration: number;
    /** Seconds to a whole answer. */
    timeout: number;
    /** Milliseconds between looks at whether all clients are done. */
    sampleInt: number;
    setupClient(client: Client): void;
  }

  /** One connection; emits `request`, `headers`, `response`, `connError`, `timeout`, `done`. */
  export interface Client extends EventEmitter {
    conn: Socket;
    reqsMade: number;
    responseMax: number;
    readonly parser: Parser;
    readonly pipelinedRequests: { clear(): void; addBody(part: unknown): void };
    setRequests(requests: Request[]): void;
    destroy(): void;
  }

  export interface Parser {
    execute(chunk: Buffer): number | Error;
    /** The connection ended: a body without length is whole. */
    finish(): Error | undefined;
    reinitialize(kind: 'RESPONSE'): void;
  }

  export interface Head {
    statusCode: number;
    /** Names and values in turn. */
    headers: string[];
    shouldKeepAlive: boolean;
  }

  export type Run = EventEmitter & PromiseLike<unknown>;

  export default function autocannon(options: Options): Run;
}
