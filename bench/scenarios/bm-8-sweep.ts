/**
 * BM-8: only a target given, against the best of a sweep of batch size and delay by hand. One short pass over the grid, then
 * full rounds of its best three, in turn with ours.
 */

import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { median } from '../../src/load/compare.ts';
import { modelFile, writePolicy } from '../http/models.ts';
import { SWEPT, type SweptModel } from '../http/swept.ts';
import { batchTimes, lightAt, singleRate } from '../runner/light.ts';
import { withDeadline } from '../runner/open-generator.ts';
import { type OpenBench, type OpenSlice, openServer, sliceOf, WARM_S, withGenerator } from '../runner/open-server.ts';
import type { Server } from '../runner/process.ts';
import type { Effort, Outcome, Scenario, Table } from '../runner/scenario.ts';
import { interval } from '../runner/statistics.ts';
import { bestSteady, type Steady } from '../runner/steady.ts';

const ENTRY = fileURLToPath(new URL('../http/manual-server.ts', import.meta.url));
const TARGETS_MS = [5, 10, 200];
const DELAYS_US = [0, 1_000, 2_000, 5_000, 20_000];
/** Longest delay, in targets: more leaves no time to run. */
const LONGEST_DELAY = 0.5;
/** Rates of the short pass, in the best one of ours. */
const PASS = [0.85, 1, 1.12];
const PASS_S = 1;
const BEST = 3;
/** With fewer rounds than this the grid is a smoke test too. */
const FULL_ROUNDS = 3;

interface Setting {
  readonly rows: number;
  readonly delayUs: number;
}

interface Swept extends Setting, Steady {}

/** What a cell brought. */
interface Cell {
  readonly model: string;
  readonly targetMs: number;
  /** Ours over each of the best three, by round. */
  readonly rivals: readonly { readonly setting: Swept; readonly ratios: readonly number[] }[];
  readonly ours: readonly number[];
  readonly aa: readonly number[];
  readonly passed: readonly Swept[];
}

/** All models, or one of them. */
export function sweptByHand(models: readonly SweptModel[]): Scenario {
  return {
    what: `${models.map(({ name }) => name).join(', ')} with slo 5, 10, 200 ms: goodput / the best size and delay by hand`,
    target: '>= 0.97',
    scale: 'slices',
    sliceS: 2,
    write: async (folder) => {
      for (const model of models) await model.write(join(folder, model.name));
    },
    run: (effort, folder) => withGenerator(effort, (bench) => measure(bench, effort, folder, models)),
  };
}

/** BM-8. */
export const manualSweep: Scenario = sweptByHand(SWEPT);

async function measure(
  bench: OpenBench,
  effort: Effort,
  folder: string,
  models: readonly SweptModel[],
): Promise<Outcome> {
  const cells: Cell[] = [];
  const skipped: string[] = [];
  for (const model of models) {
    for (const targetMs of TARGETS_MS) {
      const cell = await measureCell(bench, effort, join(folder, model.name), model, targetMs);
      if (cell === null) skipped.push(`${model.name} at ${targetMs} ms: one row takes longer`);
      else {
        cells.push(cell);
        process.stderr.write(`${rowOf(cell).join(' | ')}\n`);
      }
    }
  }
  const worst = cells.toSorted((a, b) => figureOf(a).value - figureOf(b).value)[0];
  if (worst === undefined) throw new Error('no target can be kept on this machine');
  const { value, ratios } = figureOf(worst);
  return {
    figure: value,
    interval: interval(ratios),
    aa: median(cells.flatMap(({ aa }) => aa)),
    detail: { cells: cells.length, missed: cells.filter((cell) => figureOf(cell).value < 0.97).length },
    tables: [tableOf(cells, skipped, effort)],
  };
}

/** The smallest of the medians: against the setting that did best beside ours. */
function figureOf({ rivals }: Cell): { value: number; ratios: readonly number[]; setting: Swept } {
  const found = rivals.map(({ setting, ratios }) => ({ value: median(ratios), ratios, setting }));
  return found.toSorted((a, b) => a.value - b.value)[0] as ReturnType<typeof figureOf>;
}

/** null where not even one row fits the target. */
async function measureCell(
  bench: OpenBench,
  effort: Effort,
  folder: string,
  model: SweptModel,
  targetMs: number,
): Promise<Cell | null> {
  const raw = { model: modelFile(folder, model.name), input: 'input', dims: model.dims, sizes: model.sizes };
  const times = await batchTimes(raw, bench.layout, PASS_S);
  const rate = lightAt(times, targetMs * 1000) || singleRate(times);
  if (1e6 / singleRate(times) > (targetMs * 1000) / bench.layout.instances) return null;
  const guess = rate / model.rows;
  writePolicy(folder, model.name, `slo: { p99Ms: ${targetMs} }\n`);
  const server = await openServer(bench, folder, model.load);
  try {
    const slice = sliceOf(bench, server.url, model.load, { deadlineMs: targetMs, most: 2 * guess }, effort);
    await slice(guess / 2, WARM_S);
    const steady = await bestSteady(guess, slice);
    const passed: Swept[] = [];
    for (const setting of gridOf(model, targetMs, effort)) {
      passed.push(await passOf(bench, effort, folder, model, targetMs, setting, steady.rate));
    }
    const best = passed
      .filter(({ goodput }) => goodput > 0)
      .toSorted((a, b) => b.goodput - a.goodput)
      .slice(0, BEST);
    return await roundsOf(bench, effort, folder, model, targetMs, { slice, steady, best, passed });
  } finally {
    await server.stop();
  }
}

function gridOf({ rows, sizes }: SweptModel, targetMs: number, { rounds }: Effort): Setting[] {
  const grid = sizes
    .filter((size) => size >= rows)
    .flatMap((size) =>
      DELAYS_US.filter((delayUs) => delayUs <= LONGEST_DELAY * targetMs * 1000).map((delayUs) => ({
        rows: size,
        delayUs,
      })),
    );
  return rounds >= FULL_ROUNDS ? grid : grid.filter((_, i) => i % 8 === 0);
}

/** A server of its own with this setting, and slices of it. */
async function manual(
  bench: OpenBench,
  effort: Effort,
  folder: string,
  model: SweptModel,
  targetMs: number,
  { rows, delayUs }: Setting,
  most: number,
): Promise<{ server: Server; slice: OpenSlice }> {
  // Whoever sets batching by hand says how long his requests may take: those that are too old are dropped.
  const load = withDeadline(model.load, targetMs);
  const args = [ENTRY, folder, String(bench.layout.instances), String(rows), String(delayUs)];
  const server = await openServer(bench, folder, model.load, args);
  return { server, slice: sliceOf(bench, server.url, load, { deadlineMs: targetMs, most }, effort) };
}

async function passOf(
  bench: OpenBench,
  effort: Effort,
  folder: string,
  model: SweptModel,
  targetMs: number,
  setting: Setting,
  rate: number,
): Promise<Swept> {
  const { server, slice } = await manual(bench, effort, folder, model, targetMs, setting, 2 * rate);
  try {
    await slice(rate / 2, PASS_S);
    let best: Swept = { ...setting, rate, goodput: 0 };
    for (const part of PASS) {
      const { goodput } = await slice(part * rate, PASS_S);
      if (goodput > best.goodput) best = { ...setting, rate: part * rate, goodput };
    }
    return best;
  } finally {
    await server.stop();
  }
}

interface Pass {
  readonly slice: OpenSlice;
  readonly steady: Steady;
  readonly best: readonly Swept[];
  readonly passed: readonly Swept[];
}

/** Ours, the best three in turned order every other round, ours. */
async function roundsOf(
  bench: OpenBench,
  effort: Effort,
  folder: string,
  model: SweptModel,
  targetMs: number,
  { slice, steady, best, passed }: Pass,
): Promise<Cell> {
  const rivals: { setting: Swept; ratios: number[]; server: Server; slice: OpenSlice }[] = [];
  const ours: number[] = [];
  const aa: number[] = [];
  try {
    for (const setting of best) {
      const started = await manual(bench, effort, folder, model, targetMs, setting, 2 * steady.rate);
      rivals.push({ setting, ratios: [], ...started });
      await started.slice(setting.rate / 2, PASS_S);
    }
    for (let round = 0; round < effort.rounds; round++) {
      const first = (await slice(steady.rate)).goodput;
      const found = new Map<number[], number>();
      for (const rival of round % 2 === 0 ? rivals : rivals.toReversed()) {
        found.set(rival.ratios, (await rival.slice(rival.setting.rate)).goodput);
      }
      const last = (await slice(steady.rate)).goodput;
      for (const [ratios, theirs] of found) ratios.push((first + last) / 2 / theirs);
      ours.push((first + last) / 2);
      aa.push(first / last);
    }
  } finally {
    for (const { server } of rivals) await server.stop();
  }
  const kept = rivals.map(({ setting, ratios }) => ({ setting, ratios }));
  return { model: model.name, targetMs, rivals: kept, ours, aa, passed };
}

function tableOf(cells: readonly Cell[], skipped: readonly string[], { layout, rounds, sliceS }: Effort): Table {
  return {
    title: `${layout}, slices of ${sliceS} s, ${rounds} rounds`,
    columns: ['Model', 'Target', 'Ours, requests/s', 'Best by hand', 'Ratio', 'A/A'],
    rows: cells.map(rowOf),
    notes: [
      'the best by hand is that of the three best of a short pass whose ratio is the smallest',
      ...SWEPT.map(({ name, rows }) => `${name}: ${rows} ${rows === 1 ? 'row' : 'rows'} a request`),
      ...skipped,
    ],
    data: cells,
  };
}

function rowOf(cell: Cell): string[] {
  const { value, ratios, setting } = figureOf(cell);
  const [low, high] = interval(ratios);
  return [
    cell.model,
    `${cell.targetMs} ms`,
    median(cell.ours).toFixed(0),
    `${setting.rows} rows, ${setting.delayUs / 1_000} ms`,
    `${value.toFixed(3)} (${low.toFixed(3)}..${high.toFixed(3)})`,
    median(cell.aa).toFixed(3),
  ];
}
