/**
 * A report as one page that needs nothing else: no script, nothing fetched, light or dark as its reader likes it. Whatever a
 * server or a command line put into the report is text on it.
 */

import type { LoadFigures } from './figures.ts';
import { Markup, markup, NOTHING } from './markup.ts';
import { batchPlots, goodputPlot, latencyPlot, percentilePlot, recoveryPlot } from './plots.ts';
import type { Report } from './report.ts';
import { STYLE } from './style.ts';
import { costTable, outcomeTable, troubleTable } from './tables.ts';
import { due, failures, holds, loadName, percent, plain, refusals, time } from './units.ts';

/** The page: HTML that is well-formed XML as well. */
export function reportPage(report: Report): string {
  const { runs } = report;
  const recovery = report.recovery === null ? NOTHING : recoveryPlot(report.recovery);
  const plots = [latencyPlot(runs), goodputPlot(runs), percentilePlot(runs), recovery, batchPlots(runs)];
  const page = markup`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8" />
<meta name="viewport" content="width=device-width, initial-scale=1" />
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'" />
<title>${report.model} on ${report.server.name}: load report</title>
<style>${new Markup(STYLE)}</style>
</head>
<body>
${heading(report)}
<main>
${tiles(report)}
<div class="plots">
${plots.filter((plot) => plot !== NOTHING)}
</div>
${tables(runs)}
</main>
${origin(report)}
</body>
</html>
`;
  return page.text;
}

const KINDS = { single: 'Load', ramp: 'Ramp', overload: 'Overload' } as const;

function heading(report: Report): Markup {
  const { model, version, server, url, made, runs } = report;
  const shown = version === '' ? model : `${model}, version ${version}`;
  const bad = runs.filter((run) => run.generator.void !== '');
  const notes = [
    ...(report.complete ? [] : ['This report is incomplete: not every run that was asked for is in it.']),
    ...bad.map((run) => `The run ${loadName(run.loop)} is void: ${run.generator.void}.`),
  ];
  return markup`<header>
<h1>${KINDS[report.kind]} of ${shown}</h1>
<p class="where">${server.name} ${server.version} at ${url}, ${made.slice(0, 16).replace('T', ' ')} UTC</p>
${notes.map((note) => markup`<p class="note">${note}</p>`)}
</header>`;
}

/** The figures that most readers came for: the capacity, and the run with the best goodput. */
function tiles({ capacity, recovery, runs }: Report): Markup {
  const found: (readonly [name: string, value: string, unit: string])[] = [];
  if (capacity !== null) {
    found.push(['Capacity', plain(capacity.rate), `/s with p99 in ${time(capacity.heldDeadlineMs * 1000)}`]);
  }
  const best = runs
    .filter((run) => run.generator.void === '' || holds(run))
    .toSorted((a, b) => b.goodput - a.goodput)[0];
  if (best !== undefined) found.push(...runTiles(best, runs.length > 1));
  if (recovery !== null) {
    const back = recovery.recoveredS === null ? ['not', 'while watched'] : [plain(recovery.recoveredS), 's'];
    found.push(['Recovered', back[0] as string, back[1] as string]);
  }
  const items = found.map(
    ([name, value, unit]) => markup`<div><dt>${name}</dt><dd>${value} <small>${unit}</small></dd></div>`,
  );
  return items.length === 0 ? NOTHING : markup`<dl class="tiles">${items}</dl>`;
}

function runTiles(run: LoadFigures, best: boolean): (readonly [string, string, string])[] {
  const where = best ? ` at ${loadName(run.loop)}` : '';
  const [p50, p99] = [run.latency.p50, run.latency.p99].map((us) => time(us).split(' ') as [string, string]) as [
    [string, string],
    [string, string],
  ];
  const lost = run.late + refusals(run) + failures(run) + run.unanswered;
  return [
    [best ? 'Best goodput' : 'Goodput', plain(run.goodput), `/s${where}`],
    ['p50', ...p50],
    ['p99', ...p99],
    ['Not good', percent(due(run) === 0 ? 0 : lost / due(run)).split(' ')[0] as string, '% late, refused or failed'],
  ];
}

function tables(runs: readonly LoadFigures[]): Markup {
  if (runs.length === 0) return markup`<section><h2>Runs</h2><p>None was finished.</p></section>`;
  const trouble = troubleTable(runs);
  const troubles =
    trouble === NOTHING
      ? NOTHING
      : markup`<section><h2>Refusals and failures</h2><p>Answers that were no 2xx by code, and requests without a whole answer.</p>${trouble}</section>`;
  return markup`<section><h2>Runs</h2>${outcomeTable(runs)}</section>
${troubles}
<section><h2>Generator and server</h2><p>What sending cost per request, and the server's own counters, per request.</p>${costTable(runs)}</section>`;
}

function origin({ command, machine, generator, seed }: Report): Markup {
  const commit = generator.commit === '' ? '' : ` (${generator.commit})`;
  const facts = [
    ['Made by', markup`<code>${command}</code>`],
    ['Seed', markup`${String(seed)}`],
    ['Machine', markup`${machine.cpu}, ${String(machine.cores)} cores, ${machine.platform}, Node ${machine.node}`],
    ['Generator', markup`penstock ${generator.version}${commit}`],
  ] as const;
  return markup`<footer><dl>${facts.map(([name, value]) => markup`<dt>${name}</dt><dd>${value}</dd>`)}</dl></footer>`;
}
