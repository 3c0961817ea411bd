/**
 * `npm run profile -- BENCH [SECONDS]`: our server under the load of a bench. Writes the CPU profile of its front thread to
 * `bench/results/` (Chrome's and VS Code's profilers open it), and prints where that thread spends itself.
 */

import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { answerBytes, jpegLoad, mlpBinary, mlpJson, pictureBinary } from './http/loads.ts';
import {
  copyServer,
  launcherEnv,
  ourServer,
  withModels,
  writeJpegModels,
  writeMlp,
  writePicture,
  writeResnet,
} from './http/models.ts';
import { photographJpeg, VGA } from './http/photograph.ts';
import { startServer } from './runner/process.ts';
import { type Profile, selfTimes } from './runner/self-times.ts';
import { written } from './runner/written.ts';
import { hasWrk, type Load, Wrk } from './runner/wrk.ts';

interface Subject {
  readonly what: string;
  readonly write: (models: string) => Promise<void>;
  readonly server: (models: string) => string[];
  readonly load: () => Load | Promise<Load>;
  readonly connections: number;
  readonly serverCores: string;
  readonly loadCores: string;
}

const TOP = 25;
const APART = { serverCores: '0', loadCores: '1' };
const ALL = `0-${availableParallelism() - 1}`;
const MLP = { write: writeMlp, connections: 64, ...APART };

const SUBJECTS: Readonly<Record<string, Subject>> = {
  'BM-1': { what: 'whole road, copying instance', server: copyServer, load: mlpBinary, ...MLP },
  'BM-2': { what: 'mlp, binary body', server: (models) => ourServer(models), load: mlpBinary, ...MLP },
  'BM-3': { what: 'mlp, JSON body', server: (models) => ourServer(models), load: mlpJson, ...MLP },
  'BM-6': {
    what: 'resnet18, binary body; the models run on other threads, which are not in the profile',
    write: writeResnet,
    server: (models) => ourServer(models, { workers: availableParallelism() }),
    load: () => pictureBinary('resnet18', 'logits'),
    connections: 8,
    serverCores: ALL,
    loadCores: ALL,
  },
  'BM-6-jpeg': {
    what: 'a model that takes next to nothing, JPEG 640x480; pictures are decoded on other threads, which are not in the profile',
    write: writeJpegModels,
    server: (models) => ourServer(models, { workers: availableParallelism() }),
    load: async () => jpegLoad('picture', await photographJpeg(VGA.width, VGA.height)),
    connections: 8,
    serverCores: ALL,
    loadCores: ALL,
  },
  'BM-9': {
    what: '588 KiB body, copying instance',
    write: writePicture,
    server: copyServer,
    load: () => pictureBinary('picture', 'mean'),
    connections: 8,
    ...APART,
  },
};

async function main([name = '', seconds = '5']: readonly string[]): Promise<number> {
  const subject = Object.hasOwn(SUBJECTS, name) ? SUBJECTS[name] : undefined;
  if (subject === undefined || !(Number(seconds) >= 1)) {
    for (const [key, { what }] of Object.entries(SUBJECTS)) process.stdout.write(`${key}  ${what}\n`);
    return name === '' ? 0 : 64;
  }
  if (!(await hasWrk())) {
    process.stderr.write('wrk is missing: apt-get install wrk\n');
    return 69;
  }
  mkdirSync('bench/results', { recursive: true });
  const path = resolve(`bench/results/${name}.cpuprofile`);
  rmSync(path, { force: true });
  await withModels(subject.write, (models) => take(subject, models, Number(seconds), path));
  const { busy, functions } = selfTimes(JSON.parse(readFileSync(path, 'utf8')) as Profile, TOP);
  for (const { where, share } of functions) {
    process.stdout.write(`${(100 * share).toFixed(1).padStart(5)} %  ${where}\n`);
  }
  // V8 takes everything between two calls into JavaScript for idle: what uWebSockets.js reads and parses as well.
  process.stdout.write(`in JavaScript, and what it calls, ${(100 * busy).toFixed(0)} % of the time; ${path}\n`);
  return 0;
}

/** The load runs alone for a second, so that the code is warm, and then under the profiler. */
async function take(subject: Subject, models: string, seconds: number, path: string): Promise<void> {
  const load = await subject.load();
  const wrk = new Wrk(load);
  const preload = ['--import', new URL('./runner/profiled.ts', import.meta.url).href];
  const env = { ...launcherEnv(), PROFILE_PATH: path };
  const server = await startServer([...preload, ...subject.server(models)], subject.serverCores, env);
  try {
    await answerBytes(server.url, load);
    await wrk.slice(server.url, subject.connections, 1, subject.loadCores);
    process.kill(server.pid, 'SIGUSR2');
    await wrk.slice(server.url, subject.connections, seconds, subject.loadCores);
    process.kill(server.pid, 'SIGUSR2');
    await written(path);
  } finally {
    await server.stop();
    wrk.dispose();
  }
}

process.exitCode = await main(process.argv.slice(2));
