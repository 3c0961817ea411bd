/**
 * `npm run bench -- NAME [--rounds N] [--slice-s S] [--quick] [--requests N] [--leak] [--peers A,B] [--seed N]
 * [--layout apart|aside|shared]` prints a table row and writes the figures as JSON; `npm run bench -- install [PEER ...]`
 * fetches rivals.
 */

import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { withModels } from './http/models.ts';
import { peersNamed } from './peers/all.ts';
import { factsOf } from './runner/facts.ts';
import { DEFAULT_LAYOUT, isLayout, LAYOUTS } from './runner/layout.ts';
import { commandOf, FULL_SOAK, report } from './runner/report.ts';
import type { Effort, Scenario } from './runner/scenario.ts';
import { hasWrk } from './runner/wrk.ts';
import { SCENARIOS } from './scenarios/all.ts';

const [USAGE, UNAVAILABLE] = [64, 69];
const DEFAULTS = { rounds: 9, sliceS: 3 };
const QUICK = { rounds: 1, sliceS: 1 };
/** Seeds that are drawn where none is said lie below. */
const SEEDS = 1_000_000;

function readArguments() {
  return parseArgs({
    allowPositionals: true,
    options: {
      rounds: { type: 'string', default: String(DEFAULTS.rounds) },
      'slice-s': { type: 'string' },
      quick: { type: 'boolean', default: false },
      requests: { type: 'string', default: String(FULL_SOAK) },
      leak: { type: 'boolean', default: false },
      peers: { type: 'string', default: '' },
      layout: { type: 'string', default: DEFAULT_LAYOUT },
      seed: { type: 'string', default: String(randomInt(SEEDS)) },
    },
  });
}

type Values = ReturnType<typeof readArguments>['values'];

async function main(): Promise<number> {
  const { values, positionals } = readArguments();
  const [name = '', ...rest] = positionals;
  if (name === 'install') return install(rest);
  const scenario = Object.hasOwn(SCENARIOS, name) ? SCENARIOS[name] : undefined;
  if (scenario === undefined) return list(name);
  const effort = effortOf(values, scenario);
  if (!(effort.rounds >= 1 && effort.sliceS >= 1 && effort.requests >= 1))
    return complain('rounds, slices and requests begin at 1', USAGE);
  if (!Number.isSafeInteger(effort.seed)) return complain('a seed is a whole number', USAGE);
  if (scenario.withoutWrk !== true && !(await hasWrk()))
    return complain('wrk is missing: apt-get install wrk', UNAVAILABLE);
  // A signal must run what stops the servers: they do not hear the terminal's.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
  return withModels(scenario.write, async (models) => {
    const facts = factsOf(models, commandOf(name, scenario, effort));
    const outcome = await scenario.run(effort, models);
    report(name, scenario, effort, facts, outcome);
    return outcome.fault === undefined || outcome.fault === '' ? 0 : complain(`${name}: ${outcome.fault}`, 1);
  });
}

function effortOf(values: Values, scenario: Scenario): Effort {
  const asked = {
    rounds: Number(values.rounds),
    sliceS: Number(values['slice-s'] ?? scenario.sliceS ?? DEFAULTS.sliceS),
  };
  const peers = values.peers.split(',').filter((name) => name !== '');
  peersNamed(peers);
  const { leak, layout } = values;
  if (!isLayout(layout)) throw new RangeError(`a layout is one of ${LAYOUTS.join()}, and '${layout}' is none`);
  const size = { ...(values.quick ? QUICK : asked), requests: Number(values.requests) };
  return { ...size, leak, peers, seed: Number(values.seed), layout };
}

function list(name: string): number {
  for (const [key, { what, target }] of Object.entries(SCENARIOS)) {
    process.stdout.write(`${key}  ${what} (target ${target})\n`);
  }
  return name === '' ? 0 : USAGE;
}

async function install(names: readonly string[]): Promise<number> {
  for (const peer of peersNamed(names)) {
    process.stdout.write(`${peer.name} ...`);
    await peer.install();
    process.stdout.write(' is there\n');
  }
  return 0;
}

function complain(what: string, code: number): number {
  process.stderr.write(`${what}\n`);
  return code;
}

process.exitCode = await main().catch((error: unknown) => {
  if (error instanceof RangeError) return complain(error.message, USAGE);
  throw error;
});
