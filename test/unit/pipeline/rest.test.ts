import { expect, test } from 'vitest';
import { Rest } from '../../../src/pipeline/rest.ts';

const WORKER = 0;
const OTHER = 1;

/** A front thread on so many cores, whose rests last as long as they may. */
function front(cores: number) {
  const time = { us: 1_000_000, sleptUs: 0 };
  let rests = 0;
  const held = (mostMs: number): boolean => {
    time.us += mostMs * 1000;
    rests++;
    return false;
  };
  const rest = new Rest({ rest: held }, { nowUs: () => time.us, sleptUs: () => time.sleptUs }, cores);
  /** Sleeps and is busy for so long, then asks. @returns whether it rested */
  const turn = (sleptUs: number, busyUs: number): boolean => {
    const before = rests;
    time.us += sleptUs + busyUs;
    time.sleptUs += sleptUs;
    rest.take();
    return rests > before;
  };
  return { rest, time, turn };
}

test('where batches take every core, a thread that is woken often rests for a millisecond', () => {
  const { rest, turn } = front(1);
  rest.began(WORKER, 1);
  expect(turn(200, 50)).toBe(false);
  expect(turn(200, 50)).toBe(true);
  // What came in the rest is read without sleeping.
  expect(turn(0, 300)).toBe(true);
  expect(turn(100, 300)).toBe(true);
  expect(rest.totalUs).toBe(3_000);
});

test('who is woken rarely does not rest', () => {
  const { rest, turn } = front(1);
  rest.began(WORKER, 1);
  for (let i = 0; i < 5; i++) expect(turn(1_200, 50)).toBe(false);
});

test('who is busy without sleeping does not rest, nor who is busy for long behind a rest', () => {
  const { rest, turn } = front(1);
  rest.began(WORKER, 1);
  turn(200, 50);
  for (let i = 0; i < 5; i++) expect(turn(0, 50)).toBe(false);
  expect(turn(200, 50)).toBe(true);
  expect(turn(0, 1_100)).toBe(false);
  expect(turn(0, 300)).toBe(false);
});

test('while a core is free nobody rests', () => {
  const { rest, turn } = front(2);
  rest.began(WORKER, 1);
  turn(200, 50);
  expect(turn(200, 50)).toBe(false);
  rest.began(OTHER, 1);
  expect(turn(200, 50)).toBe(true);
  rest.ended(WORKER);
  expect(turn(200, 50)).toBe(false);
  rest.began(WORKER, 2);
  rest.ended(OTHER);
  expect(turn(200, 50)).toBe(true);
});

test('batches that are computed elsewhere take no core', () => {
  const { rest, turn } = front(1);
  rest.began(WORKER, 0);
  turn(200, 50);
  expect(turn(200, 50)).toBe(false);
});

test('whoever is served on the front thread itself waits for no rest', () => {
  const { rest, time, turn } = front(1);
  rest.began(WORKER, 1);
  turn(200, 50);
  rest.beganInline(time.us);
  while (time.us <= 1_000_000 + 10_000) expect(turn(200, 50)).toBe(false);
  expect(turn(200, 50)).toBe(true);
});

test('without a clock that tells of sleep nobody rests', () => {
  let nowUs = 0;
  const rest = new Rest({ rest: () => expect.unreachable() }, { nowUs: () => nowUs }, 1);
  rest.began(WORKER, 1);
  for (; nowUs < 1_000; nowUs += 100) rest.take();
  expect(rest.totalUs).toBe(0);
});

test('the end of a batch that never began takes nothing', () => {
  const { rest, turn } = front(1);
  rest.ended(WORKER);
  rest.began(WORKER, 1);
  turn(200, 50);
  expect(turn(200, 50)).toBe(true);
});
