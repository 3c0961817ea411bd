/** What a terminal shows of a load that has ended. Pure functions of figures. */

import { oneLine } from './error.ts';
import type { LoadFigures, Quantiles } from './figures.ts';
import type { Capacity, Report } from './report.ts';
import { connectionsName, due, failures, loadName, percent, plain, refusals, time, whole } from './units.ts';

/** Everything that one run brought, over several lines. */
export function runText(run: LoadFigures): string {
  const lines = [
    ...(run.generator.void === '' ? [] : [`VOID: ${oneLine(run.generator.void)}. These figures say nothing.`]),
    ...outcomeLines(run),
    '',
    ...timeTable(run),
    ...refusalTable(run),
    '',
    ...generatorLines(run),
    ...serverLines(run),
  ];
  return `${lines.join('\n')}\n`;
}

function outcomeLines(run: LoadFigures): string[] {
  const { errors } = run;
  const all = due(run);
  const within = run.deadlineMs === null ? '2xx' : `2xx within ${plain(run.deadlineMs)} ms`;
  const failed = Object.entries(errors).filter(([, count]) => count > 0);
  return [
    `load       ${loadName(run.loop)}, ${connectionsName(run)}, ${plain(run.durationS)} s`,
    `offered    ${plain(run.offered)}/s (${whole(all)} requests)`,
    `achieved   ${plain(run.achieved)}/s answered`,
    `goodput    ${plain(run.goodput)}/s, ${percent(all === 0 ? 0 : run.ok / all)} of all: ${whole(run.ok)} were ${within}`,
    ...(run.late > 0 ? [`late       ${whole(run.late)} were 2xx after the deadline`] : []),
    ...(failed.length > 0 ? [`failed     ${failed.map(([kind, count]) => `${whole(count)} ${kind}`).join(', ')}`] : []),
    ...(run.wait.p50 > 0
      ? ['waiting    most requests waited for a connection: --connections shows the server more']
      : []),
    ...(run.unanswered > 0 ? [`unanswered ${whole(run.unanswered)} when the run ended`] : []),
  ];
}

const QUANTILE_HEAD = ['', 'mean', 'min', 'p50', 'p90', 'p95', 'p99', 'p99.9', 'max'];

function quantileRow(name: string, q: Quantiles): string[] {
  return [name, ...[q.mean, q.min, q.p50, q.p90, q.p95, q.p99, q.p999, q.max].map(time)];
}

function timeTable(run: LoadFigures): string[] {
  const rows = [QUANTILE_HEAD, quantileRow('latency', run.latency)];
  if (run.wait.count > 0) rows.push(quantileRow('  of it waiting', run.wait));
  if (run.firstByte !== null && run.firstByte.count > 0) rows.push(quantileRow('first byte', run.firstByte));
  return table(rows);
}

function refusalTable({ refused }: LoadFigures): string[] {
  if (refused.length === 0) return [];
  const rows = refused.map(({ code, status, count, timeToRefuse, retryAfter }) => [
    oneLine(code),
    String(status),
    whole(count),
    time(timeToRefuse.p50),
    time(timeToRefuse.p99),
    `${whole(retryAfter)} of ${whole(count)}`,
  ]);
  return ['', ...table([['refused', 'HTTP', 'count', 'after p50', 'p99', 'Retry-After'], ...rows])];
}

function generatorLines({ generator }: LoadFigures): string[] {
  const { lag, cpuUsPerRequest, busy } = generator;
  const late = lag.count === 0 ? '' : `, lag p50 ${time(lag.p50)} p99 ${time(lag.p99)}`;
  return [`generator  ${time(cpuUsPerRequest)} of CPU per request, busy ${percent(busy)} of the time${late}`];
}

function serverLines({ server }: LoadFigures): string[] {
  if (server === null) return ['server     no statistics of it'];
  const sizes = server.batches.map(([rows, count]) => `${rows} (${whole(count)}x)`).join(', ');
  return [
    `server     ${whole(server.inferences)} rows in ${whole(server.executions)} batches of ${plain(server.batchRows)}, ` +
      `queue ${time(server.queueUs)}, compute ${time(server.computeUs)} per request`,
    ...(sizes === '' ? [] : [`batches    ${oneLine(sizes)}`]),
  ];
}

/** What was loaded, and where from. */
export function headText(report: Report): string {
  const { server, machine } = report;
  const version = report.version === '' ? '' : ` version ${report.version}`;
  return `${oneLine(`${server.name} ${server.version} at ${report.url}, model '${report.model}'${version}`)}
${oneLine(`from ${machine.cpu}, ${machine.cores} cores, Node ${machine.node}, seed ${report.seed}`)}\n`;
}

/** The runs of a report beneath each other, what was found of them, and what is missing. */
export function reportText(report: Report): string {
  const head = ['load', 'offered/s', 'achieved/s', 'goodput/s', 'p50', 'p99', 'late', 'refused', 'failed', 'rows', ''];
  const rows = report.runs.map((run) => [
    loadName(run.loop),
    plain(run.offered),
    plain(run.achieved),
    plain(run.goodput),
    time(run.latency.p50),
    time(run.latency.p99),
    whole(run.late),
    whole(refusals(run)),
    whole(failures(run) + run.unanswered),
    run.server === null ? '-' : plain(run.server.batchRows),
    run.generator.void === '' ? '' : 'VOID',
  ]);
  const lines = [...table([head, ...rows]), ...findings(report)];
  return `${lines.join('\n')}\n`;
}

const LIMITED_BY: Readonly<Record<Capacity['limitedBy'], string>> = {
  deadline: '',
  generator: ' (above it the generator gave out, not the server)',
  search: ' or more (no higher rate was tried)',
};

function findings({ capacity, recovery, complete }: Report): string[] {
  const lines: string[] = [];
  if (capacity !== null) {
    const held = `${plain(capacity.rate)}/s with p99 within ${plain(capacity.heldDeadlineMs)} ms`;
    lines.push(`capacity   ${held}${LIMITED_BY[capacity.limitedBy]}`);
  }
  if (recovery !== null) {
    const back =
      recovery.recoveredS === null ? 'not back while it was watched' : `back after ${plain(recovery.recoveredS)} s`;
    lines.push(`recovery   from ${plain(recovery.burstRate)}/s to ${plain(recovery.rate)}/s: goodput ${back}`);
  }
  if (!complete) lines.push('INCOMPLETE: not every run that was asked for is here');
  return lines.length === 0 ? [] : ['', ...lines];
}

/** Columns beneath each other: the first to the left, numbers to the right. */
export function table(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((row) => (row[i] ?? '').length)));
  return rows.map((row) =>
    row
      .map((cell, i) => (i === 0 ? cell.padEnd(widths[i] as number) : cell.padStart(widths[i] as number)))
      .join('  ')
      .trimEnd(),
  );
}
