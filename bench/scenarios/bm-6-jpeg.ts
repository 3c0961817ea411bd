/** BM-6-jpeg: ResNet-18 from JPEGs against raw ONNX Runtime; before it 100 pictures a second, and the front thread's turns meanwhile. */

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { jpegLoad, untilAnswered } from '../http/loads.ts';
import { launcherEnv, ourServer, writeJpegModels } from '../http/models.ts';
import { photographJpeg, VGA } from '../http/photograph.ts';
import type { LoopDelays } from '../runner/loop-watch.ts';
import { OpenGenerator } from '../runner/open-generator.ts';
import { type Server, startServer } from '../runner/process.ts';
import type { Effort, Outcome, Scenario, Table } from '../runner/scenario.ts';
import { written } from '../runner/written.ts';
import type { Load } from '../runner/wrk.ts';
import { pictureRate } from './bm-6-images.ts';

/** Pictures per second at which no task of the front thread may be long. */
const RATE = 100;
const CONNECTIONS = 64;
/** Length of that load, slices. */
const LOOP_SLICES = 5;
/** Where more than this part of it is not answered well, the server was not at work on it. */
const MOST_LOST = 0.01;

/** W = instances = cores, as BM-6. */
export const jpegsPerSecond: Scenario = {
  what: 'resnet18, JPEG 640x480: pictures/s / raw ONNX Runtime',
  target: '>= 0.92',
  scale: 'slices',
  write: writeJpegModels,
  run: measure,
};

async function measure(effort: Effort, models: string): Promise<Outcome> {
  const jpeg = await photographJpeg(VGA.width, VGA.height);
  const loop = await loopDelays(effort, models, jpegLoad('picture', jpeg));
  const outcome = await pictureRate(effort, models, jpegLoad('resnet18', jpeg));
  const { p99Ms, cpuMostMs } = loop.busy;
  const detail = { ...outcome.detail, loopP99Ms: p99Ms, loopMostCpuMs: cpuMostMs, jpegBytes: jpeg.length };
  return { ...outcome, detail, tables: [tableOf(loop, effort)] };
}

interface Loop {
  readonly idle: LoopDelays;
  readonly busy: LoopDelays;
  readonly answered: number;
  readonly p99Us: number;
}

/** Of a model that takes next to nothing, so that every picture is decoded and answered. */
async function loopDelays({ sliceS, seed }: Effort, models: string, load: Load): Promise<Loop> {
  const cores = availableParallelism();
  const all = `0-${cores - 1}`;
  const folder = mkdtempSync(join(tmpdir(), 'penstock-loop-'));
  const path = join(folder, 'delays.json');
  const preload = ['--import', new URL('../runner/loop-watch.ts', import.meta.url).href];
  const env = { ...launcherEnv(), LOOP_WATCH_PATH: path };
  const server = await startServer([...preload, ...ourServer(models, { workers: cores })], all, env);
  const generator = new OpenGenerator(all);
  try {
    await checkAnswer(server, load);
    const plan = { url: server.url, load, rate: RATE, deadlineMs: null, connections: CONNECTIONS, seed };
    await generator.run({ ...plan, seconds: sliceS });
    await delaysOf(server, path);
    await new Promise((resolve) => setTimeout(resolve, sliceS * 1000));
    const idle = await delaysOf(server, path);
    const seconds = LOOP_SLICES * sliceS;
    const [sent] = await generator.run({ ...plan, seconds });
    if (sent === undefined) throw new Error('the generator sent nothing');
    const busy = await delaysOf(server, path);
    const { ok, goodput, latency } = sent.figures;
    if (ok < (1 - MOST_LOST) * sent.figures.sent)
      throw new Error(`${ok} of ${sent.figures.sent} pictures were answered`);
    return { idle, busy, answered: goodput, p99Us: latency.p99 };
  } finally {
    await generator.stop();
    await server.stop();
    rmSync(folder, { recursive: true });
  }
}

/** What the server has seen since the last time. */
async function delaysOf({ pid }: Server, path: string): Promise<LoopDelays> {
  rmSync(path, { force: true });
  process.kill(pid, 'SIGUSR2');
  await written(path);
  return JSON.parse(readFileSync(path, 'utf8')) as LoopDelays;
}

/** Classes as text, by the declared post-processing: what is measured is the whole way from a picture to labels. */
async function checkAnswer({ url }: Server, load: Load): Promise<void> {
  const { body } = await untilAnswered(url, load);
  const text = Buffer.from(body).toString();
  const [output] = (JSON.parse(text) as { outputs: { datatype: string; shape: number[] }[] }).outputs;
  if (output?.datatype !== 'BYTES' || output.shape.join() !== '1,5')
    throw new Error(`not the five best classes: ${text}`);
}

function tableOf({ idle, busy, answered, p99Us }: Loop, { sliceS }: Effort): Table {
  const row = (what: string, { p50Ms, p99Ms, mostMs, cpuP99Ms, cpuMostMs }: LoopDelays) => {
    return [what, ...[p50Ms, p99Ms, mostMs, cpuP99Ms, cpuMostMs].map((ms) => ms.toFixed(2))];
  };
  return {
    title: `Turns of the front thread, milliseconds from one to the next where 1 is asked for`,
    columns: ['Load', 'p50', 'p99', 'most', 'CPU p99', 'CPU most'],
    rows: [row('none', idle), row(`${RATE} pictures/s for ${LOOP_SLICES * sliceS} s, model 'picture'`, busy)],
    notes: [`${answered.toFixed(1)} answers a second; latency p99 ${(p99Us / 1000).toFixed(1)} ms`],
    data: { idle, busy, answered, p99Us },
  };
}
