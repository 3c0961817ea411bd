import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { Turns } from '../../../src/http/turn.ts';

/** A loop at 1 s that has slept for 0.1 s of it. */
function loop() {
  const time = { us: 1_000_000, sleptUs: 100_000 };
  const clock = { nowUs: () => time.us, sleptUs: () => time.sleptUs };
  const turns = new Turns(
    clock,
    () => undefined,
    () => true,
  );
  /** The next turn, so much later; the loop slept for a part of that. */
  const later = async (us: number, sleptUs: number): Promise<number> => {
    await nextTurn();
    time.us += us;
    time.sleptUs += sleptUs;
    return turns.arrivalUs() - time.us;
  };
  return { time, turns, later };
}

test('what wakes the loop comes when it is read', async () => {
  expect(await loop().later(5_000, 5_000)).toBe(0);
});

test('what is read behind a busy turn came in the middle of it', async () => {
  const { later } = loop();
  expect(await later(3_000, 0)).toBe(-1_500);
  expect(await later(5_000, 4_000)).toBe(-500);
});

test('a long stall counts for ten milliseconds', async () => {
  expect(await loop().later(2_000_000, 0)).toBe(-5_000);
});

test('where the loop slept in a long time nobody knows when it was busy', async () => {
  expect(await loop().later(20_000, 12_000)).toBe(0);
});

test('a sleep that is told too late makes nothing come in the future', async () => {
  expect(await loop().later(1_000, 2_000)).toBe(0);
});

test('all that is read in a turn came when its first byte did', async () => {
  const { time, turns, later } = loop();
  await later(1_000, 0);
  const arrivalUs = turns.arrivalUs();
  time.us += 700;
  expect(turns.arrivalUs()).toBe(arrivalUs);
  await nextTurn();
  expect(turns.arrivalUs()).toBe(time.us - 350);
});

test('what was read is asked for turn by turn until it is dealt with, once a turn', async () => {
  const answers = [false, false, true];
  const asked: string[] = [];
  const turns = new Turns(
    { nowUs: () => 0 },
    () => asked.push('end'),
    () => {
      asked.push('settled');
      return answers.shift() ?? true;
    },
  );
  turns.arrivalUs();
  await nextTurn();
  expect(asked).toEqual(['end', 'settled']);
  // More is read before that is dealt with.
  turns.arrivalUs();
  await nextTurn();
  expect(asked.filter((what) => what === 'settled')).toHaveLength(2);
  await nextTurn();
  expect(asked.filter((what) => what === 'settled')).toHaveLength(3);
  await nextTurn();
  expect(asked.filter((what) => what === 'settled')).toHaveLength(3);
  turns.arrivalUs();
  await nextTurn();
  expect(asked.slice(-2)).toEqual(['end', 'settled']);
});
