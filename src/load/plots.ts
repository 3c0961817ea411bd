/** The plots of a report: which figures stand over which. */

import { type Axis, linearAxis, logAxis, tailAxis } from './axis.ts';
import type { LoadFigures } from './figures.ts';
import { Markup, markup, NOTHING } from './markup.ts';
import { type Bar, barPlot, linePlot, type Point, type Series } from './plot.ts';
import type { Recovery } from './report.ts';
import { folded, htmlTable, latencyTable, outcomeTable } from './tables.ts';
import { loadName, percent, plain, time, whole } from './units.ts';

/** Runs that are told apart by colour in the plot of percentiles: as many as there are colours. */
const TONES = 6;
/** Runs whose batches are drawn. */
const BATCH_PLOTS = 12;
/** Bars of one plot of batches; more sizes than that share bars. */
const BATCH_BARS = 24;
/** Nines on the axis of percentiles: at least three, and no more than a run can tell. */
const LEAST_NINES = 3;
const MOST_NINES = 6;

/** Latency of 2xx over load. */
export function latencyPlot(runs: readonly LoadFigures[]): Markup {
  const answered = byLoad(runs.filter((run) => run.latency.count > 0));
  if (answered.length === 0) return NOTHING;
  const deadlineUs = commonDeadlineUs(answered);
  const all = answered.flatMap(({ latency }) => [latency.p50, latency.p99]).concat(deadlineUs ?? []);
  const x = loadAxis(answered);
  const over = (key: 'p50' | 'p99'): Point[] =>
    answered.map((run) => pointOf(run, run.latency[key], time(run.latency[key])));
  const series: Series[] = [
    { name: 'p99', tone: 'orange', dots: true, points: over('p99') },
    { name: 'p50', tone: 'blue', dots: true, points: over('p50') },
    ...(deadlineUs === null ? [] : [level('deadline', deadlineUs, x, 'red')]),
  ];
  const title = 'Latency against load';
  const description = `p50 and p99 of 2xx answers over ${x.title}, ${answered.length} runs; the table has the figures.`;
  return section(
    title,
    'From the time a request was to be sent to the end of its answer, 2xx only.',
    linePlot({ id: 'latency', title, description }, x, timeAxis(all), series),
    folded('All percentiles', latencyTable(runs)),
  );
}

/** Each run's whole distribution, with room for the tail. */
export function percentilePlot(runs: readonly LoadFigures[]): Markup {
  const answered = spread(byLoad(runs.filter((run) => run.latency.points.length > 0)), TONES);
  if (answered.length === 0) return NOTHING;
  const most = Math.max(...answered.map((run) => run.latency.count));
  const nines = Math.min(Math.max(Math.floor(Math.log10(most)), LEAST_NINES), MOST_NINES);
  const limit = 1 - 10 ** -nines;
  const series = answered.map((run, i): Series => {
    const points = run.latency.points.filter(([quantile]) => quantile <= limit).map(([x, y]) => ({ x, y }));
    const tone = `r${answered.length === 1 ? 3 : Math.round((i * (TONES - 1)) / (answered.length - 1))}`;
    return { name: loadName(run.loop), tone, points };
  });
  const y = timeAxis(series.flatMap(({ points }) => points.map((point) => point.y)));
  const title = 'Percentiles';
  const description = `Latency at each percentile for ${answered.length} runs, up to ${plain(100 * limit)} percent, the tail stretched.`;
  const plot = linePlot(
    { id: 'percentiles', title, description },
    tailAxis('percentile of 2xx answers', nines),
    y,
    series,
  );
  const rows = series.map(({ name, points }, i) => [
    name,
    ...ninesOf(nines).map((q) => time(at(points, q))),
    time(answered[i]?.latency.max ?? 0),
  ]);
  const table = htmlTable(['load', ...ninesOf(nines).map((q) => percent(q)), 'max'], rows);
  return section(
    title,
    'Each nine is as wide as all before it: the tail is where queues show.',
    plot,
    folded('The same as a table', table),
  );
}

/** What was good of what was asked for. */
export function goodputPlot(runs: readonly LoadFigures[]): Markup {
  if (runs.length === 0) return NOTHING;
  const sorted = byLoad(runs);
  const open = isOpen(runs);
  const x = loadAxis(sorted);
  const most = Math.max(...sorted.map((run) => Math.max(run.goodput, run.achieved, open ? run.offered : 0)));
  const over = (key: 'goodput' | 'achieved'): Point[] =>
    sorted.map((run) => pointOf(run, run[key], `${plain(run[key])}/s`));
  const largest = Math.max(...sorted.map((run) => run.offered));
  const ideal: Series = { name: 'ideal', tone: 'grey', dashed: true, points: [{ x: 0, y: 0 }, { x: largest, y: largest }] }; // biome-ignore format: pairs
  const series: Series[] = [
    ...(open ? [ideal] : []),
    { name: 'answered at all', tone: 'grey', points: over('achieved') },
    { name: 'goodput', tone: 'green', dots: true, points: over('goodput') },
  ];
  const title = open ? 'Goodput against offered load' : 'Goodput against concurrency';
  const description = `2xx answers inside the deadline per second over ${x.title}, ${runs.length} runs; the table has the figures.`;
  const deadlineUs = commonDeadlineUs(sorted);
  const means = deadlineUs === null ? '2xx answers per second.' : `2xx answers within ${time(deadlineUs)}, per second.`;
  const plot = linePlot({ id: 'goodput', title, description }, x, linearAxis('requests per second', most), series);
  return section(title, means, plot, folded('All outcomes', outcomeTable(runs)));
}

/** How the server batched, run by run. */
export function batchPlots(runs: readonly LoadFigures[]): Markup {
  const known = byLoad(runs.filter((run) => (run.server?.batches.length ?? 0) > 0));
  if (known.length === 0) return NOTHING;
  const drawn = spread(known, BATCH_PLOTS).map((run, i) => {
    const name = loadName(run.loop);
    const title = `Batch sizes at ${name}`;
    const rows = plain(run.server?.batchRows ?? 0);
    const description = `Share of batches by their rows; ${rows} rows on average.`;
    return markup`<div><h3>${name}</h3><p>${rows} rows a batch</p>${barPlot({ id: `batches${i}`, title, description }, batchBars(run))}</div>`;
  });
  const rows = known.map((run) => [loadName(run.loop), batchText(run)]);
  const table = htmlTable(['load', 'rows (batches)'], rows);
  return section(
    'Batch sizes',
    'Share of batches by the rows in them, as the server counted.',
    markup`<div class="small">${drawn}</div>`,
    folded('The same as a table', table),
    known.length > 1,
  );
}

/** Goodput behind a burst. */
export function recoveryPlot({ burstRate, rate, windowS, goodput, recoveredS }: Recovery): Markup {
  const points = goodput.map((y, i) => ({
    x: (i + 1) * windowS,
    y,
    label: `${plain(y)}/s in the ${plain(windowS)} s up to ${plain((i + 1) * windowS)} s`,
  }));
  const x = linearAxis('seconds since the burst ended', Math.max(goodput.length, 1) * windowS);
  const y = linearAxis('requests per second', Math.max(rate, ...goodput));
  const series: Series[] = [level('offered', rate, x, 'grey'), { name: 'goodput', tone: 'green', dots: true, points }];
  const title = 'Recovery after the burst';
  const back =
    recoveredS === null ? 'It was not back while it was watched.' : `It was back after ${plain(recoveredS)} s.`;
  const description = `Goodput after ${plain(burstRate)} requests per second. ${back}`;
  const rows = points.map((point) => [plain(point.x), plain(point.y)]);
  const table = folded('The same as a table', htmlTable(['seconds', 'goodput/s'], rows));
  return section(title, description, linePlot({ id: 'recovery', title, description }, x, y, series), table);
}

function section(title: string, says: string, plot: Markup, table: Markup, wide = false): Markup {
  return markup`<section${wide ? new Markup(' class="wide"') : NOTHING}><h2>${title}</h2><p>${says}</p>
${plot}
${table}</section>`;
}

function isOpen(runs: readonly LoadFigures[]): boolean {
  return runs.some((run) => run.loop.kind === 'open');
}

/** Requests per second where any run is open; else how many were on their way at once. */
function loadOf(run: LoadFigures, open: boolean): number {
  return run.loop.kind === 'closed' && !open ? run.loop.concurrency : run.offered;
}

function byLoad(runs: readonly LoadFigures[]): LoadFigures[] {
  const open = isOpen(runs);
  return runs.toSorted((a, b) => loadOf(a, open) - loadOf(b, open));
}

function loadAxis(runs: readonly LoadFigures[]): Axis {
  const open = isOpen(runs);
  const title = open ? 'offered requests per second' : 'requests on their way at once';
  return linearAxis(title, Math.max(...runs.map((run) => loadOf(run, open))));
}

function pointOf(run: LoadFigures, y: number, value: string): Point {
  const x = loadOf(run, run.loop.kind === 'open');
  const doubtful = run.generator.void !== '';
  return { x, y, label: `${loadName(run.loop)}: ${value}${doubtful ? ' (void)' : ''}`, doubtful };
}

function timeAxis(us: readonly number[]): Axis {
  const least = us.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
  const most = us.reduce((a, b) => Math.max(a, b), 1);
  return logAxis('latency', Math.max(least, 1), most, roundTime);
}

function roundTime(us: number): string {
  if (us < 1000) return `${us} us`;
  return us < 1e6 ? `${us / 1000} ms` : `${us / 1e6} s`;
}

function level(name: string, y: number, x: Axis, tone: string): Series {
  const end = 1 / x.place(1);
  return { name, tone, dashed: true, points: [{ x: 0, y }, { x: end, y }] }; // biome-ignore format: pairs
}

function commonDeadlineUs(runs: readonly LoadFigures[]): number | null {
  const [first] = runs;
  const deadline = first?.deadlineMs ?? null;
  return deadline !== null && runs.every((run) => run.deadlineMs === deadline) ? deadline * 1000 : null;
}

/** At most `count` of them, evenly, the first and the last among them. */
function spread<T>(items: readonly T[], count: number): readonly T[] {
  if (items.length <= count) return items;
  return Array.from({ length: count }, (_, i) => items[Math.round((i * (items.length - 1)) / (count - 1))] as T);
}

function ninesOf(nines: number): number[] {
  return [0.5, ...Array.from({ length: nines }, (_, i) => 1 - 10 ** -(i + 1))];
}

/** The time of the last point that is not beyond the quantile. */
function at(points: readonly Point[], quantile: number): number {
  return points.findLast(({ x }) => x <= quantile + 1e-9)?.y ?? 0;
}

function batchBars(run: LoadFigures): Bar[] {
  const batches = run.server?.batches ?? [];
  const total = batches.reduce((sum, [, count]) => sum + count, 0);
  const largest = Math.max(...batches.map(([rows]) => rows));
  const width = batches.length <= BATCH_BARS ? 0 : Math.ceil(largest / BATCH_BARS);
  const bar = (name: string, count: number): Bar => {
    return {
      name,
      share: count / Math.max(total, 1),
      label: `${name} rows: ${whole(count)} batches, ${percent(count / Math.max(total, 1))}`,
    };
  };
  if (width === 0) return batches.map(([rows, count]) => bar(String(rows), count));
  return Array.from({ length: Math.ceil(largest / width) }, (_, i) => {
    const inside = batches.filter(([rows]) => Math.floor((rows - 1) / width) === i);
    return bar(
      `${i * width + 1}-${(i + 1) * width}`,
      inside.reduce((sum, [, count]) => sum + count, 0),
    );
  });
}

/** The most frequent sizes, in the order of their rows. */
function batchText(run: LoadFigures): string {
  const batches = run.server?.batches ?? [];
  const frequent = batches.toSorted((a, b) => b[1] - a[1]).slice(0, BATCH_BARS);
  const text = frequent.toSorted((a, b) => a[0] - b[0]).map(([rows, count]) => `${rows} (${whole(count)})`);
  return text.join(', ') + (batches.length > BATCH_BARS ? ` and ${batches.length - BATCH_BARS} rarer sizes` : '');
}
