/** One launcher at a time makes a checkout ready; who comes meanwhile waits for it and finds it done. */

import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const AGAIN_MS = 100;

/**
 * Runs `makeReady` unless `isReady()`, while no other process does it for the same `root`. The turn is a file with the number of
 * the process that has it; one whose process is gone counts for nothing.
 */
export async function inTurn(root, isReady, makeReady) {
  if (isReady()) return;
  const turn = join(root, 'build/.turn');
  mkdirSync(join(root, 'build'), { recursive: true });
  for (let told = false; !take(turn); told = true) {
    if (!told) process.stderr.write('penstock: waiting for another process that makes this folder ready ...\n');
    await sleep(AGAIN_MS);
  }
  const give = () => rmSync(turn, { force: true });
  process.once('exit', give);
  try {
    if (!isReady()) await makeReady();
  } finally {
    process.removeListener('exit', give);
    give();
  }
}

function take(turn) {
  try {
    writeFileSync(turn, String(process.pid), { flag: 'wx' });
    return true;
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
  }
  if (isOver(turn)) discard(turn);
  return false;
}

/** Whether whoever wrote the file has ended. */
function isOver(turn) {
  try {
    const pid = Number(readFileSync(turn, 'utf8'));
    // Just made, and its number not written yet.
    if (pid === 0) return false;
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return error.code === 'ESRCH';
  }
}

/** Of several who find it over one takes it away; moved first, so that the next one's is never what is removed unread. */
function discard(turn) {
  const moved = `${turn}-${process.pid}`;
  try {
    renameSync(turn, moved);
  } catch {
    return;
  }
  if (isOver(moved)) rmSync(moved, { force: true });
  else renameSync(moved, turn);
}
