/**
 * A worker thread that dies on request, by a number among those of a run: 666 ends it every time; 671 and 672 are
 * answered with nonsense; 667 to 670 only once
 * each (files named after PENSTOCK_TEST_ONCE remember), in the ways that a thread can end. Everything else is the real one.
 */

import { existsSync, writeFileSync } from 'node:fs';
import { workerData } from 'piscina';
import type { Task, ThreadData } from '../../src/workers/messages.ts';
import perform from '../../src/workers/thread.ts';

const { arena } = workerData as ThreadData;
const once = process.env.PENSTOCK_TEST_ONCE ?? '';

/** What a number does to the thread that meets it. */
const DEATHS: Readonly<Record<number, () => unknown>> = {
  667: () => process.exit(2),
  668: () => {
    throw new Error('the task throws');
  },
  669: () => new Promise(() => setImmediate(() => throwOutside())),
  670: exhaustHeap,
};

export default async function performOrDie(task: Task): ReturnType<typeof perform> {
  if (task.kind === 'run') {
    const first = task.request.inputs[0];
    const count = first?.dims.reduce((product, d) => product * d, 1) ?? 0;
    const numbers = new Float32Array(arena, first?.offset ?? 0, count);
    if (numbers.includes(666)) process.exit(1);
    if (numbers.includes(671)) return {} as never;
    if (numbers.includes(672)) return { fault: null, info: null, result: { outputs: [], runUs: 1 } };
    for (const [number, die] of Object.entries(DEATHS)) {
      if (!numbers.includes(Number(number)) || existsSync(once + number)) continue;
      writeFileSync(once + number, '');
      await die();
    }
  }
  return await perform(task);
}

function throwOutside(): never {
  throw new Error('nobody catches this');
}

function exhaustHeap(): void {
  const kept: number[][] = [];
  for (;;) kept.push(new Array(10_000).fill(0.5));
}
