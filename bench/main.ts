/** `npm run bench -- NAME [--rounds N] [--slice-s S] [--quick] [--requests N] [--leak]`: prints a table row, and writes the figures as JSON. */

import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import type { Effort, Outcome } from './http/compare.ts';
import { idleConnections } from './http/idle.ts';
import { imagesPerSecond } from './http/images.ts';
import { measureMlp } from './http/mlp.ts';
import { addedLatency, handRolled, largeBody, memoryGrowth, roadAlone } from './http/scenarios.ts';
import { FULL_SOAK, soak } from './http/soak.ts';
import { codecAlone } from './micro/lift.ts';
import { hasWrk } from './runner/wrk.ts';

interface Scenario {
  readonly what: string;
  readonly target: string;
  readonly run: (effort: Effort) => Promise<Outcome>;
}

const SCENARIOS: Readonly<Record<string, Scenario>> = {
  'BM-1': { what: 'whole road, copying instance, 64 connections: c_echo / c_ours', target: '>= 0.72', run: roadAlone },
  'BM-2': {
    what: 'mlp, binary body, 64 connections: E_cpu',
    target: '>= 0.76',
    run: (effort) => measureMlp('binary', effort),
  },
  'BM-3': {
    what: 'mlp, JSON body, 64 connections: E_cpu',
    target: '>= 0.65',
    run: (effort) => measureMlp('json', effort),
  },
  'BM-3-codec': {
    what: 'the body of BM-3: JSON.parse + Float32Array.from / the lift',
    target: '>= 3',
    run: codecAlone,
  },
  'BM-4': {
    what: 'mlp, 1 connection: p50 above echo + run(), us',
    target: '<= 25',
    run: (effort) => addedLatency(effort, 'inline'),
  },
  'BM-4-worker': {
    what: 'the same through a worker',
    target: '<= 60',
    run: (effort) => addedLatency(effort, 'worker'),
  },
  'BM-6': { what: 'resnet18, binary: pictures/s / raw ONNX Runtime', target: '>= 0.95', run: imagesPerSecond },
  'BM-9': { what: '588 KiB body, copying instance: c_ours - c_echo, ms', target: '<= 0.15', run: largeBody },
  'BM-12-fastify': { what: 'mlp, JSON: CPU of Fastify + onnxruntime-node / ours', target: '-', run: handRolled },
  'BM-11': {
    what: 'soak of a mix at 80 %: RSS slope, MiB per million requests',
    target: '<= 1, p99 drift <= 10 %',
    run: soak,
  },
  idle: { what: 'RSS of an idle keep-alive connection, bytes', target: '-', run: idleConnections },
  RSS: { what: 'RSS after 100,000 requests / after 20,000', target: '<= 1.05', run: memoryGrowth },
};

/** Fewer rounds, or longer slices, make no honest figure. */
const HONEST = { rounds: 9, sliceS: 5 };

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      rounds: { type: 'string', default: '9' },
      'slice-s': { type: 'string', default: '3' },
      quick: { type: 'boolean', default: false },
      requests: { type: 'string', default: String(FULL_SOAK) },
      leak: { type: 'boolean', default: false },
    },
  });
  const name = positionals[0] ?? '';
  const scenario = Object.hasOwn(SCENARIOS, name) ? SCENARIOS[name] : undefined;
  if (scenario === undefined) {
    for (const [key, { what, target }] of Object.entries(SCENARIOS))
      process.stdout.write(`${key}  ${what} (target ${target})\n`);
    return name === '' ? 0 : 64;
  }
  if (!(await hasWrk())) {
    process.stderr.write('wrk is missing: apt-get install wrk\n');
    return 69;
  }
  const asked = { rounds: Number(values.rounds), sliceS: Number(values['slice-s']) };
  const scale = values.quick ? { rounds: 1, sliceS: 1 } : asked;
  const effort: Effort = { ...scale, requests: Number(values.requests), leak: values.leak };
  const outcome = await scenario.run(effort);
  report(name, scenario, effort, outcome);
  if (outcome.fault === undefined || outcome.fault === '') return 0;
  process.stderr.write(`${name}: ${outcome.fault}\n`);
  return 1;
}

function report(name: string, { what, target }: Scenario, effort: Effort, outcome: Outcome): void {
  const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD']).toString().trim();
  const machine = `${cpus().length} x ${cpus()[0]?.model ?? 'unknown'}, Node ${process.versions.node}`;
  const scale = `--rounds ${effort.rounds} --slice-s ${effort.sliceS}`;
  const count = `--requests ${effort.requests}${effort.leak ? ' --leak' : ''}`;
  const command = `npm run bench -- ${name} ${name === 'BM-11' ? count : scale}`;
  mkdirSync('bench/results', { recursive: true });
  const facts = { name, what, target, effort, commit, machine, command, outcome };
  writeFileSync(`bench/results/${name}.json`, `${JSON.stringify(facts)}\n`);
  const { figure, interval, aa, detail } = outcome;
  const [low, high] = interval.map((v) => v.toFixed(3));
  const short = name === 'BM-11' ? effort.requests < FULL_SOAK : effort.rounds < HONEST.rounds;
  const quick = short || effort.sliceS > HONEST.sliceS ? ' (quick)' : '';
  const parts = Object.entries(detail).map(([key, value]) => `${key} ${value.toFixed(2)}`);
  process.stdout.write(
    `| ${name}${quick} | ${target} | ${figure.toFixed(3)} | ${low}..${high} | ${aa.toFixed(3)} | ${parts.join(', ')} | ` +
      `${commit} | ${machine} |\n`,
  );
}

process.exitCode = await main();
