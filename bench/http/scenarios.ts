/** The scenarios that compare our server with another one: BM-1, BM-4, BM-9 and the hand-rolled Fastify server. */

import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { residentBytes, startServer } from '../runner/process.ts';
import { Wrk } from '../runner/wrk.ts';
import { compare, type Effort, type Outcome } from './compare.ts';
import { answerBytes, mlpBinary, mlpJson, PIXELS, pictureBinary } from './loads.ts';
import { copyServer, echoServer, ourServer, withModels, workerServer, writeMlp, writePicture } from './models.ts';

const run = promisify(execFile);
const file = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const CONNECTIONS = 64;

/** BM-1: c_echo / c_ours of the whole road with an instance that only copies. */
export function roadAlone(effort: Effort): Promise<Outcome> {
  return withModels(writeMlp, (models) =>
    compare(
      {
        ours: copyServer(models),
        other: echoServer,
        load: mlpBinary(),
        connections: CONNECTIONS,
        of: 'cpuUs',
        figure: (ours, other) => other / ours,
      },
      effort,
    ),
  );
}

/** BM-4: p50 at one connection above echo and raw run(), microseconds; inline as the model is placed, or on a worker. */
export function addedLatency(effort: Effort, place: 'inline' | 'worker'): Promise<Outcome> {
  return withModels(writeMlp, (models) =>
    compare(
      {
        ours: place === 'inline' ? ourServer(models) : workerServer(models),
        other: echoServer,
        load: mlpBinary(),
        connections: 1,
        of: 'p50Us',
        figure: async (ours, other) => ours - other - (await singleRunUs(join(models, 'mlp/1/model.onnx'))),
      },
      effort,
    ),
  );
}

/** BM-9: CPU that a body of 588 KiB costs above an echo, milliseconds. */
export function largeBody(effort: Effort): Promise<Outcome> {
  return withModels(writePicture, (models) =>
    compare(
      {
        ours: copyServer(models),
        other: echoServer,
        load: pictureBinary('picture', 'mean'),
        connections: 8,
        of: 'cpuUs',
        figure: (ours, other) => (ours - other) / 1000,
      },
      effort,
    ),
  );
}

/** BM-12: CPU per request of the hand-rolled server over ours, JSON. */
export function handRolled(effort: Effort): Promise<Outcome> {
  return withModels(writeMlp, (models) =>
    compare(
      {
        ours: ourServer(models),
        other: () => [file('../peers/fastify-server.ts'), join(models, 'mlp/1/model.onnx')],
        load: mlpJson(),
        connections: CONNECTIONS,
        of: 'cpuUs',
        figure: (ours, other) => other / ours,
      },
      effort,
    ),
  );
}

/** RSS after at least 100,000 requests over RSS after at least 20,000, counted in slices of one second. */
export function memoryGrowth(): Promise<Outcome> {
  return withModels(writeMlp, async (models) => {
    const server = await startServer(ourServer(models), 0);
    const wrk = new Wrk(mlpBinary());
    try {
      await answerBytes(server.url, mlpBinary());
      let sent = 0;
      const until = async (requests: number): Promise<number> => {
        while (sent < requests) sent += (await wrk.slice(server.url, CONNECTIONS, 1, 1)).requests;
        return residentBytes(server.pid) / 2 ** 20;
      };
      const early = await until(20_000);
      const late = await until(100_000);
      const figure = late / early;
      return { figure, interval: [figure, figure], aa: Number.NaN, detail: { earlyMiB: early, lateMiB: late, sent } };
    } finally {
      await server.stop();
      wrk.dispose();
    }
  });
}

async function singleRunUs(model: string): Promise<number> {
  const args = ['-c', '0', process.execPath, file('./raw-loop.ts'), model, 'input', String(PIXELS), '1'];
  return (JSON.parse((await run('taskset', args)).stdout) as { singleRunUs: number }).singleRunUs;
}
