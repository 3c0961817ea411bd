/** What an idle keep-alive connection costs the server in resident memory. */

import { connect, type Socket } from 'node:net';
import { median } from '../../src/load/compare.ts';
import { answerBytes, mlpBinary } from '../http/loads.ts';
import { ourServer, writeMlp } from '../http/models.ts';
import { SERVER_CORE } from '../runner/compare.ts';
import { openFiles, residentBytes, type Server, startServer } from '../runner/process.ts';
import type { Outcome, Scenario } from '../runner/scenario.ts';
import { interval } from '../runner/statistics.ts';

const CONNECTIONS = 2_000;
/** Opened before the counting: what the first ones make the server take is no cost of theirs. */
const WARM = 200;
/** Opened at a time, so that the listen queue holds them. */
const BURST = 100;
const REQUEST = 'GET /v2/health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n';

/** Bytes per connection, each having been used once; every round has a server of its own. */
export const idleConnections: Scenario = {
  what: 'RSS of an idle keep-alive connection, bytes',
  target: '-',
  scale: 'slices',
  write: writeMlp,
  run: ({ rounds }, models) => measure(rounds, models),
};

async function measure(rounds: number, models: string): Promise<Outcome> {
  const found: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const server = await startServer(ourServer(models), SERVER_CORE);
    try {
      await answerBytes(server.url, mlpBinary());
      found.push(await bytesEach(server));
      process.stderr.write(`round ${round + 1}: ${found.at(-1)?.toFixed(0)} bytes\n`);
    } finally {
      await server.stop();
    }
  }
  return {
    figure: median(found),
    interval: interval(found),
    aa: Number.NaN,
    detail: { connections: CONNECTIONS, least: Math.min(...found), most: Math.max(...found) },
  };
}

async function bytesEach(server: Server): Promise<number> {
  const sockets = await opened(server.url, WARM);
  try {
    const [bytes, files] = [residentBytes(server.pid), openFiles(server.pid)];
    sockets.push(...(await opened(server.url, CONNECTIONS)));
    const each = (residentBytes(server.pid) - bytes) / CONNECTIONS;
    if (openFiles(server.pid) - files !== CONNECTIONS) throw new Error('the server closed idle connections meanwhile');
    return each;
  } finally {
    for (const socket of sockets) socket.destroy();
  }
}

/** Connections that have each had an answer. */
async function opened(url: string, count: number): Promise<Socket[]> {
  const { hostname, port } = new URL(url);
  const sockets: Socket[] = [];
  while (sockets.length < count) {
    const burst = Array.from({ length: Math.min(BURST, count - sockets.length) }, () =>
      answered(connect(Number(port), hostname)),
    );
    sockets.push(...(await Promise.all(burst)));
  }
  return sockets;
}

function answered(socket: Socket): Promise<Socket> {
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.once('data', () => resolve(socket));
    socket.write(REQUEST);
  });
}
