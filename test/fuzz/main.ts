/** `npm run fuzz -- http|differential SECONDS [--seed N] [--replay FILE]`: prints its seed; exit code 1 where something was found. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { runDifferential } from './differential.ts';
import { runCampaign } from './http/campaign.ts';
import { replay } from './http/replay.ts';

const FOLDER = join(fileURLToPath(new URL('../..', import.meta.url)), 'build/fuzz/http');

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { seed: { type: 'string' }, replay: { type: 'string' } },
});
const seconds = Number(positionals[1]);
const seed = values.seed === undefined ? Date.now() % 1_000_000_000 : Number(values.seed);

/** @returns the exit code */
async function http(): Promise<number> {
  if (values.replay !== undefined) return replay(readFileSync(values.replay));
  console.log(`http: ${seconds} s from seed ${seed}`);
  const requests = Number.MAX_SAFE_INTEGER;
  const report = await runCampaign({ seed, seconds, requests, folder: FOLDER });
  const outcomes = [...report.outcomes].sort(([, a], [, b]) => b - a).map(([outcome, count]) => `${outcome} ${count}`);
  console.log(`${report.requests} requests, ${report.neighbours} of the neighbour beside them: ${outcomes.join(', ')}`);
  console.log(`the process grew by ${Math.round(report.grownBytes / 1024)} KiB after it was warm`);
  for (const { iteration, fault, files } of report.findings) {
    console.log(`FOUND seed ${seed} iteration ${iteration}: ${fault}`);
    for (const file of files) console.log(`  npm run fuzz -- http 1 --replay ${file}`);
  }
  return report.findings.length === 0 ? 0 : 1;
}

/** @returns the exit code */
function differential(): number {
  console.log(`differential: ${seconds} s from seed ${seed}`);
  const { runs, finding } = runDifferential(seed, seconds);
  console.log(`${runs} lifts compared`);
  if (finding !== null) console.log(`FOUND ${finding}`);
  return finding === null ? 0 : 1;
}

process.exitCode = positionals[0] === 'http' ? await http() : differential();
