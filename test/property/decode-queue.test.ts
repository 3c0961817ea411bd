import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DecodeQueue } from '../../src/preprocess/decode-queue.ts';
import { type QueuedPicture, queued } from '../support/queued-pictures.ts';

const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31);
console.log(`seed ${seed}`);
const check = <T>(property: fc.IProperty<T>) => fc.assert(property, { seed, numRuns: 200 });

const flow = fc.constantFrom('a', 'b', 'c', 'd');
const work = fc.integer({ min: 1, max: 100_000 });
const picture = fc.record({ flow, work, bytes: fc.integer({ min: 1, max: 100 }), fileBytes: fc.nat(1000) });

function filled(pictures: readonly Partial<QueuedPicture>[]): DecodeQueue<QueuedPicture> {
  const queue = new DecodeQueue<QueuedPicture>();
  for (const one of pictures) queue.push(queued(one));
  return queue;
}

test('every picture comes out once or was taken away, and the sums are those of what waits', () => {
  const step = fc.oneof(
    picture.map((one) => ({ comes: one })),
    fc.nat().map((index) => ({ goes: index })),
    fc.tuple(fc.integer({ min: 0, max: 120 }), fc.boolean()).map(([freeBytes, back]) => ({ freeBytes, back })),
  );
  check(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const queue = new DecodeQueue<QueuedPicture>();
      const waiting = new Set<QueuedPicture>();
      for (const step of steps) {
        if ('comes' in step) {
          const one = queued(step.comes);
          queue.push(one);
          waiting.add(one);
        } else if ('goes' in step) {
          const one = [...waiting][step.goes % Math.max(1, waiting.size)];
          if (one === undefined) continue;
          queue.remove(one);
          waiting.delete(one);
        } else {
          const one = queue.next(step.freeBytes);
          expect(one === null || (waiting.has(one) && one.bytes <= step.freeBytes)).toBe(true);
          if (one !== null && step.back) queue.putBack(one);
          else if (one !== null) waiting.delete(one);
        }
        expect(queue.pictures).toBe(waiting.size);
        expect(queue.fileBytes).toBe([...waiting].reduce((sum, { fileBytes }) => sum + fileBytes, 0));
        expect(queue.bytes).toBe([...waiting].reduce((sum, { bytes }) => sum + bytes, 0));
        expect(queue.ahead('a', 0)).toBeGreaterThanOrEqual(0);
      }
      while (waiting.size > 0) expect(waiting.delete(queue.next(1000) as QueuedPicture)).toBe(true);
      expect([queue.next(1000), queue.ahead('a', 1e9)]).toEqual([null, 0]);
    }),
  );
});

test('one picture is begun behind one of each other flow at most, whatever they have sent and had', () => {
  check(
    fc.property(fc.array(picture, { minLength: 1, maxLength: 200 }), fc.nat(), work, (others, had, work) => {
      const queue = filled(others);
      for (let i = 0; i < had % others.length; i++) queue.next(1000);
      queue.push(queued({ flow: 'single', work }));
      const before: string[] = [];
      for (let one = queue.next(1000); one?.flow !== 'single'; one = queue.next(1000)) before.push(one?.flow ?? '');
      expect(new Set(before).size).toBe(before.length);
    }),
  );
});

test('flows that always wait are given the same work, but for one picture of each', () => {
  const sizes = fc.array(work, { minLength: 2, maxLength: 4 });
  check(
    fc.property(sizes, fc.integer({ min: 1, max: 300 }), (sizes, turns) => {
      const queue = new DecodeQueue<QueuedPicture>();
      const given = sizes.map(() => 0);
      const push = (index: number) => queue.push(queued({ flow: String(index), work: sizes[index] as number }));
      for (const i of sizes.keys()) for (const _ of [1, 2]) push(i);
      for (let turn = 0; turn < turns; turn++) {
        const { flow, work } = queue.next(1000) as QueuedPicture;
        given[Number(flow)] = (given[Number(flow)] as number) + work;
        push(Number(flow));
      }
      expect(Math.max(...given) - Math.min(...given)).toBeLessThanOrEqual(2 * Math.max(...sizes));
    }),
  );
});

test('a large picture is passed by no more work than it is itself and one picture, however many small ones come', () => {
  const small = fc.record({ flow, work, bytes: fc.integer({ min: 1, max: 20 }) });
  check(
    fc.property(fc.array(small, { minLength: 1, maxLength: 50 }), work, flow, (smalls, work, flow) => {
      const queue = filled([{ flow, work, bytes: 100 }]);
      expect(queue.next(50)).toBeNull();
      let passed = 0;
      let last = 0;
      for (let i = 0; i < 1000; i++) {
        queue.push(queued(smalls[i % smalls.length]));
        const one = queue.next(50);
        if (one === null) break;
        last = one.work;
        passed += last;
        if (passed - last >= work) break;
      }
      expect(passed).toBeGreaterThan(0);
      expect(passed - last).toBeLessThan(work);
      queue.push(queued(smalls[0]));
      expect(passed < work || queue.next(50) === null).toBe(true);
      expect(queue.next(100)?.bytes).toBe(100);
    }),
  );
});
