/**
 * A decode thread that does on request what threads can do, by the value that a picture is padded with. Everything else is the
 * real one. While it starts it ends as often as the file PENSTOCK_TEST_BOOTS says. One that blocks has a thread of libuv's wait until
 * somebody writes to the pipe beside that file: such a thread cannot be ended.
 */

import { existsSync, readFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { workerData } from 'piscina';
import { ImageFloat } from '../../src/native/image-words.ts';
import type { DecodeTask, DecodeThreadData } from '../../src/preprocess/decode-messages.ts';
import decode from '../../src/preprocess/decode-thread.ts';
import { PADS, setBoots } from './decoder-pads.ts';

export { prove } from '../../src/preprocess/decode-thread.ts';

/** By when a picture of a few pixels has been answered. */
const LATER_MS = 300;
/** How long a picture takes at least that sleeps. */
const SLEEP_MS = 1_500;

const { arena } = workerData as DecodeThreadData;
/** The last bytes of the arena: who waits has come there when the first is 1, and goes on when the second is. */
const gate = new Int32Array(arena, arena.byteLength - 8, 2);

const boots = process.env.PENSTOCK_TEST_BOOTS ?? '';
const left = existsSync(boots) ? Number(readFileSync(boots, 'utf8')) : 0;
if (left > 0) {
  setBoots(boots, left - 1);
  process.exit(3);
}

export default async function decodeOrDie(task: DecodeTask): ReturnType<typeof decode> {
  const pad = task.floats[ImageFloat.PAD];
  if (pad === PADS.exits) process.exit(1);
  if (pad === PADS.throws) throw new Error('the task throws');
  if (pad === PADS.throwsOutside) await new Promise(() => setImmediate(() => throwOutside()));
  if (pad === PADS.exhaustsHeap) exhaustHeap();
  if (pad === PADS.throwsLater) setTimeout(throwOutside, LATER_MS);
  if (pad === PADS.exitsLater) setTimeout(() => process.exit(1), LATER_MS);
  if (pad === PADS.waits) waitAtGate();
  if (pad === PADS.sleeps) await delay(SLEEP_MS);
  if (pad === PADS.blocks) await blockInLibuv();
  return await decode(task);
}

function waitAtGate(): void {
  Atomics.store(gate, 0, 1);
  while (Atomics.load(gate, 1) !== 1) Atomics.wait(gate, 1, 0);
}

async function blockInLibuv(): Promise<void> {
  const opened = open(`${boots}.pipe`);
  Atomics.store(gate, 0, 1);
  await (await opened).close();
}

function throwOutside(): never {
  throw new Error('nobody catches this');
}

function exhaustHeap(): void {
  const kept: number[][] = [];
  for (;;) kept.push(new Array(10_000).fill(0.5));
}
