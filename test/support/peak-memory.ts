/**
 * `node peak-memory.ts packed|text|groups`: decodes one of the files of `unpacked.ts` and prints, in bytes, by how much the process grew
 * at most meanwhile, and what the pool counts for it. On Linux.
 */

import { readFileSync, writeFileSync } from 'node:fs';
import { Pictures, pipelineOf } from './pictures.ts';
import { groupsWebp, textPng } from './unpacked.ts';

const MIB = 1024 * 1024;
const pipeline = pipelineOf('resize: { width: 8, height: 8, mode: stretch }', [-1, 3, 8, 8]);
const files = {
  packed: () => textPng(4, 25 * MIB, true),
  text: () => textPng(4, 15 * MIB, false),
  groups: () => groupsWebp(512),
};
const file = files[process.argv[2] as keyof typeof files]();

function resident(name: 'VmHWM' | 'VmRSS'): number {
  const found = new RegExp(`${name}:\\s+(\\d+) kB`).exec(readFileSync('/proc/self/status', 'utf8'));
  return Number(found?.[1]) * 1024;
}

const pictures = new Pictures({ threads: 1, imageBytes: 2 ** 40 });
await pictures.pool.decode(pictures.job(new Uint8Array(textPng(1, 10, true)), pipeline));
const job = pictures.job(new Uint8Array(file), pipeline);
const { bytes: counted } = pictures.pool.cost(job);
// The peak is that of now.
writeFileSync('/proc/self/clear_refs', '5');
const before = resident('VmRSS');
await pictures.pool.decode(job);
const grown = resident('VmHWM') - before;
await pictures.pool.close();
console.log(JSON.stringify({ grown, counted, file: file.length }));
