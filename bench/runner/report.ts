/** Where figures go: a row of a table and further tables to standard output, everything as JSON into bench/results. */

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Facts } from './facts.ts';
import { DEFAULT_LAYOUT } from './layout.ts';
import type { Effort, Outcome, Scenario, Table } from './scenario.ts';

const RESULTS = 'bench/results';
/** Fewer rounds, or longer slices, make no honest figure. */
const HONEST = { rounds: 9, sliceS: 5 };

/** Requests of an honest soak. */
export const FULL_SOAK = 1_000_000;

/** The arguments of `npm run bench` that make the figure again. */
export function commandOf(name: string, { scale }: Scenario, effort: Effort): string {
  const sizes = {
    requests: `--requests ${effort.requests}${effort.leak ? ' --leak' : ''}`,
    slices: `--rounds ${effort.rounds} --slice-s ${effort.sliceS}`,
    grid: `--rounds ${effort.rounds} --seed ${effort.seed}`,
  };
  const size = sizes[scale];
  const peers = effort.peers.length === 0 ? '' : ` --peers ${effort.peers.join()}`;
  const layout = effort.layout === DEFAULT_LAYOUT ? '' : ` --layout ${effort.layout}`;
  return `npm run bench -- ${name} ${size}${peers}${layout}`;
}

/** Writes and prints. */
export function report(name: string, scenario: Scenario, effort: Effort, facts: Facts, outcome: Outcome): void {
  const { what, target } = scenario;
  mkdirSync(RESULTS, { recursive: true });
  const file = { name, what, target, effort, ...facts, outcome };
  writeFileSync(join(RESULTS, `${name}.json`), `${JSON.stringify(file)}\n`);
  for (const table of outcome.tables ?? []) process.stdout.write(textOf(table));
  process.stdout.write(`${rowOf(name, scenario, effort, facts, outcome)}\n`);
}

function rowOf(name: string, scenario: Scenario, effort: Effort, facts: Facts, outcome: Outcome): string {
  const { figure, interval, aa, detail } = outcome;
  const [low, high] = interval.map((v) => v.toFixed(3));
  const short = scenario.scale === 'requests' ? effort.requests < FULL_SOAK : effort.rounds < HONEST.rounds;
  const quick = short || effort.sliceS > HONEST.sliceS ? ' (quick)' : '';
  const parts = Object.entries(detail).map(([key, value]) => `${key} ${value.toFixed(2)}`);
  const machine = `${facts.cores} x ${facts.cpu}, Node ${facts.node}, ORT ${facts.onnxruntime}`;
  return (
    `| ${name}${quick} | ${scenario.target} | ${figure.toFixed(3)} | ${low}..${high} | ${aa.toFixed(3)} | ` +
    `${parts.join(', ')} | ${facts.commit} | ${machine} |`
  );
}

function textOf({ title, columns, rows, notes }: Table): string {
  const lines = [columns, columns.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`);
  return `\n${title}\n\n${lines.join('\n')}\n\n${notes.map((note) => `- ${note}\n`).join('')}\n`;
}
