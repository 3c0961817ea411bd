/**
 * A worker thread that dies on request: 666 as the first number of a run ends it every time, 667 only once (the file named
 * by PENSTOCK_TEST_ONCE remembers). Everything else is the real thread.
 */

import { existsSync, writeFileSync } from 'node:fs';
import { workerData } from 'piscina';
import type { Task, ThreadData } from '../../src/workers/messages.ts';
import perform from '../../src/workers/thread.ts';

const { arena } = workerData as ThreadData;
const once = process.env.PENSTOCK_TEST_ONCE ?? '';

export default async function performOrDie(task: Task): ReturnType<typeof perform> {
  if (task.kind === 'run') {
    const first = task.request.inputs[0];
    const count = first?.dims.reduce((product, d) => product * d, 1) ?? 0;
    const numbers = new Float32Array(arena, first?.offset ?? 0, count);
    if (numbers.includes(666)) process.exit(1);
    if (numbers.includes(667) && !existsSync(once)) {
      writeFileSync(once, '');
      process.exit(2);
    }
  }
  return await perform(task);
}
