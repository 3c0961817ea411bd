import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ALIGNMENT, Arena } from '../../src/native/arena.ts';
import { loadBinding } from '../../src/native/load.ts';
import { RowRing } from '../../src/native/row-ring.ts';

const binding = loadBinding();

function ringOf(arena: Arena, rowBytes: readonly number[], capacity: number): RowRing {
  const ring = RowRing.create(arena, rowBytes, capacity);
  if (ring === null) throw new Error('the arena is too small for this test');
  return ring;
}

const step = fc.oneof(
  { weight: 3, arbitrary: fc.record({ reserve: fc.integer({ min: 1, max: 9 }) }) },
  { weight: 2, arbitrary: fc.record({ release: fc.nat(99) }) },
);

describe('the row ring', () => {
  test('never reserves a row twice, refuses only when it must, and is whole again when all is released', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 24 }), fc.array(step, { maxLength: 150 }), (capacity, steps) => {
        const ring = ringOf(new Arena(binding, 64 * 1024), [16], capacity);
        const held = new Map<number, number>();
        const rows = new Uint8Array(capacity);
        for (const action of steps) {
          if ('reserve' in action) {
            const expected = action.reserve <= ring.contiguous() ? ring.next() : 0;
            const start = ring.reserve(action.reserve);
            // Side by side with the rows before it, or at the start again.
            if (start < 0) {
              expect(action.reserve > ring.contiguous()).toBe(true);
              expect(held.size > 0 || action.reserve > capacity).toBe(true);
              continue;
            }
            expect(start).toBe(expected);
            expect(start + action.reserve).toBeLessThanOrEqual(capacity);
            expect(rows.subarray(start, start + action.reserve).every((row) => row === 0)).toBe(true);
            rows.fill(1, start, start + action.reserve);
            held.set(start, action.reserve);
          } else if (held.size > 0) {
            const start = [...held.keys()][action.release % held.size];
            rows.fill(0, start, start + (held.get(start) ?? 0));
            held.delete(start);
            ring.release(start);
          }
          // Those in use lie between the two ends; what is between them and free cannot be had yet.
          expect(ring.heldRows).toBeGreaterThanOrEqual(rows.reduce((sum, row) => sum + row, 0));
          expect(ring.heldRows).toBeLessThanOrEqual(held.size === 0 ? 0 : capacity);
        }
        for (const start of held.keys()) ring.release(start);
        expect(ring.live).toBe(0);
        expect(ring.reserve(capacity)).toBe(0);
        expect(ring.reserve(1)).toBe(-1);
      }),
      { numRuns: 500 },
    );
  });

  test('released in order, it takes rows for ever however they wrap', () => {
    const ring = ringOf(new Arena(binding, 64 * 1024), [4], 10);
    const held: number[] = [];
    for (let i = 0; i < 1000; i++) {
      while (held.length > 2) ring.release(held.shift() as number);
      const start = ring.reserve(1 + (i % 3));
      expect(start).toBeGreaterThanOrEqual(0);
      held.push(start);
    }
  });

  test('lays each tensor out in a region of its own, aligned, and gives the block back', () => {
    const arena = new Arena(binding, 64 * 1024);
    const ring = ringOf(arena, [4, 100, 1], 10);
    const regions = [0, 1, 2].map((tensor) => ring.offset(tensor, 0));
    expect(regions.every((offset) => offset % ALIGNMENT === 0)).toBe(true);
    expect(ring.offset(1, 9) + 100).toBeLessThanOrEqual(regions[2]);
    expect(ring.offset(0, 9) + 4).toBeLessThanOrEqual(regions[1]);
    const row = ring.reserve(1);
    expect(() => ring.dispose()).toThrow('still in use');
    ring.release(row);
    ring.dispose();
    expect(arena.allocatedBytes).toBe(0);
    expect(RowRing.create(arena, [1024], 1024)).toBeNull();
  });
});
