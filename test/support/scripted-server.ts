/** A small real server that does to each request what a test says, well or badly: it writes raw bytes. */

import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import type { Origin } from '../../src/load/figures.ts';

/** Does something to the `n`th request, from 0. */
export type Script = (socket: Socket, n: number, head: string) => void;

/** A server that runs. */
export interface Scripted extends AsyncDisposable {
  readonly origin: Origin;
  /** Connections it has accepted. */
  accepted(): number;
  /** Requests it has read to their end. */
  requests(): number;
}

/** Starts it on a free port of the loopback; disposing of it breaks all connections. */
export async function scriptedServer(
  script: Script,
  onConnect: (socket: Socket) => void = () => undefined,
): Promise<Scripted> {
  const sockets = new Set<Socket>();
  let accepted = 0;
  let requests = 0;
  const server = createServer({ noDelay: true }, (socket) => {
    accepted++;
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => undefined);
    readRequests(socket, (head) => script(socket, requests++, head));
    onConnect(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const stop = async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, 'close');
  };
  return {
    origin: { host: '127.0.0.1', port: (server.address() as AddressInfo).port },
    accepted: () => accepted,
    requests: () => requests,
    [Symbol.asyncDispose]: stop,
  };
}

/** A whole answer with a length. */
export function whole(status: string, headers = '', body = ''): string {
  return `HTTP/1.1 ${status}\r\n${headers}Content-Length: ${body.length}\r\n\r\n${body}`;
}

function readRequests(socket: Socket, take: (head: string) => void): void {
  let held = '';
  socket.on('data', (chunk) => {
    held += chunk.toString('latin1');
    for (;;) {
      const headEnd = held.indexOf('\r\n\r\n') + 4;
      const end = headEnd + Number(/^content-length: (\d+)/im.exec(held.slice(0, headEnd))?.[1] ?? 0);
      if (headEnd < 4 || held.length < end) return;
      const head = held.slice(0, headEnd);
      held = held.slice(end);
      take(head);
    }
  });
}
