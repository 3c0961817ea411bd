/** The tables of a page: every figure that a plot shows is in one of them, for those who do not see plots. */

import type { LoadFigures, Quantiles } from './figures.ts';
import { type Content, type Markup, markup, NOTHING } from './markup.ts';
import { due, failures, loadName, percent, plain, refusals, time, whole } from './units.ts';

/** Head and rows; the first cell of a row is its name. */
export function htmlTable(head: readonly string[], rows: readonly (readonly Content[])[]): Markup {
  const names = head.map((name) => markup`<th scope="col">${name}</th>`);
  const body = rows.map(
    ([name, ...cells]) =>
      markup`<tr><th scope="row">${name as Content}</th>${cells.map((cell) => markup`<td>${cell}</td>`)}</tr>`,
  );
  return markup`<div class="scroll" tabindex="0"><table><thead><tr>${names}</tr></thead>
<tbody>${body}</tbody></table></div>`;
}

/** A table that opens on a click. */
export function folded(summary: string, table: Markup): Markup {
  return markup`<details><summary>${summary}</summary>${table}</details>`;
}

/** The name of a run's load, with what makes it void. */
export function runName(run: LoadFigures): Markup {
  const why = run.generator.void;
  return why === ''
    ? markup`${loadName(run.loop)}`
    : markup`${loadName(run.loop)} <span class="void" title="${why}">void</span>`;
}

/** What came of each run. */
export function outcomeTable(runs: readonly LoadFigures[]): Markup {
  const head = [
    'load',
    'connections',
    's',
    'offered/s',
    'achieved/s',
    'goodput/s',
    'good',
    'late',
    'refused',
    'failed',
    'unanswered',
  ];
  const rows = runs.map((run) => [
    runName(run),
    whole(run.connections),
    plain(run.durationS),
    plain(run.offered),
    plain(run.achieved),
    plain(run.goodput),
    percent(due(run) === 0 ? 0 : run.ok / due(run)),
    whole(run.late),
    whole(refusals(run)),
    whole(failures(run)),
    whole(run.unanswered),
  ]);
  return htmlTable(head, rows);
}

/** Times of each run's good and late answers. */
export function latencyTable(runs: readonly LoadFigures[]): Markup {
  const head = ['load', 'count', 'mean', 'p50', 'p90', 'p95', 'p99', 'p99.9', 'max', 'waiting p99', 'first byte p50'];
  const rows = runs.map((run) => {
    const { count, mean, p50, p90, p95, p99, p999, max } = run.latency;
    const times = [mean, p50, p90, p95, p99, p999, max].map(time);
    return [runName(run), whole(count), ...times, known(run.wait, 'p99'), known(run.firstByte, 'p50')];
  });
  return htmlTable(head, rows);
}

function known(quantiles: Quantiles | null, key: 'p50' | 'p99'): string {
  return quantiles === null || quantiles.count === 0 ? '-' : time(quantiles[key]);
}

/** What generator and server say of themselves. */
export function costTable(runs: readonly LoadFigures[]): Markup {
  const head = ['load', "generator's CPU", 'lag p50', 'lag p99', 'rows', 'batches', 'rows a batch', 'queue', 'compute'];
  const rows = runs.map((run) => {
    const { lag, cpuUsPerRequest } = run.generator;
    const { server } = run;
    const counted =
      server === null
        ? ['-', '-', '-', '-', '-']
        : [
            whole(server.inferences),
            whole(server.executions),
            plain(server.batchRows),
            time(server.queueUs),
            time(server.computeUs),
          ];
    return [runName(run), time(cpuUsPerRequest), known(lag, 'p50'), known(lag, 'p99'), ...counted];
  });
  return htmlTable(head, rows);
}

/** Refusals by code, and requests without a whole answer by cause; nothing where there are none. */
export function troubleTable(runs: readonly LoadFigures[]): Markup {
  const rows = runs.flatMap((run) => [
    ...run.refused.map(({ code, status, count, timeToRefuse, retryAfter }) => [
      runName(run),
      `${code} (${status})`,
      whole(count),
      time(timeToRefuse.p50),
      time(timeToRefuse.p99),
      whole(retryAfter),
    ]),
    ...Object.entries(run.errors)
      .filter(([, count]) => count > 0)
      .map(([kind, count]) => [runName(run), `connection: ${kind}`, whole(count), '-', '-', '-']),
  ]);
  if (rows.length === 0) return NOTHING;
  return htmlTable(['load', 'what', 'count', 'refused after p50', 'p99', 'with Retry-After'], rows);
}
