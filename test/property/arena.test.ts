import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ALIGNMENT, Arena, aligned } from '../../src/native/arena.ts';
import { loadBinding } from '../../src/native/load.ts';

const binding = loadBinding();
const CAPACITY = 64 * ALIGNMENT;

const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('allocate' as const), bytes: fc.nat(12 * ALIGNMENT) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('free' as const), pick: fc.nat(99) }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('trim' as const), pick: fc.nat(99), bytes: fc.nat(12 * ALIGNMENT) }),
  },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** The blocks handed out, by offset, and what must be true of them. */
class Model {
  readonly arena = new Arena(binding, CAPACITY);
  readonly blocks = new Map<number, number>();

  apply(action: Step): void {
    if (action.kind === 'allocate') this.#allocate(action.bytes);
    const offset = [...this.blocks.keys()][action.kind === 'allocate' ? -1 : action.pick % this.blocks.size];
    if (offset === undefined) return;
    if (action.kind === 'free') {
      this.arena.free(offset);
      this.blocks.delete(offset);
    }
    if (action.kind === 'trim') {
      this.arena.trim(offset, action.bytes);
      this.blocks.set(offset, Math.min(this.blocks.get(offset) ?? 0, aligned(action.bytes)));
    }
  }

  #allocate(bytes: number): void {
    const fits = this.largestGap() >= aligned(bytes);
    const offset = this.arena.allocate(bytes);
    expect(offset >= 0).toBe(fits);
    if (fits) this.blocks.set(offset, aligned(bytes));
  }

  largestGap(): number {
    let end = 0;
    let largest = 0;
    for (const [offset, size] of [...this.blocks, [CAPACITY, 0] as const].sort((a, b) => a[0] - b[0])) {
      largest = Math.max(largest, offset - end);
      end = offset + size;
    }
    return largest;
  }

  check(): void {
    let end = 0;
    let sum = 0;
    for (const [offset, size] of [...this.blocks].sort((a, b) => a[0] - b[0])) {
      expect(offset % ALIGNMENT).toBe(0);
      expect(offset).toBeGreaterThanOrEqual(end);
      end = offset + size;
      sum += size;
    }
    expect(end).toBeLessThanOrEqual(CAPACITY);
    expect(this.arena.allocatedBytes).toBe(sum);
    expect(this.arena.freeBytes).toBe(CAPACITY - sum);
  }
}

describe('the arena', () => {
  test('hands out aligned blocks that never overlap, refuses only what fits nowhere, and comes back whole', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        const model = new Model();
        for (const action of steps) {
          model.apply(action);
          model.check();
        }
        for (const offset of model.blocks.keys()) model.arena.free(offset);
        expect(model.arena.allocatedBytes).toBe(0);
        expect(model.arena.allocate(CAPACITY)).toBe(0);
      }),
      { numRuns: 300 },
    );
  });

  test('refuses to free what it did not hand out, and what it freed already', () => {
    const arena = new Arena(binding, CAPACITY);
    const offset = arena.allocate(1);
    expect(() => arena.free(offset + ALIGNMENT)).toThrow('no block');
    arena.free(offset);
    expect(() => arena.free(offset)).toThrow('no block');
    expect(() => arena.trim(offset, 1)).toThrow('no block');
  });

  test('has no block for what is larger than all of it, however large', () => {
    const arena = new Arena(binding, CAPACITY);
    for (const bytes of [CAPACITY + 1, 2 ** 32, 2 ** 32 + 1, 2 ** 40, 2 ** 53, Number.MAX_VALUE, Infinity]) {
      expect(arena.allocate(bytes)).toBe(-1);
    }
    expect([arena.allocatedBytes, arena.allocate(CAPACITY)]).toEqual([0, 0]);
  });

  test('gives the memory of large blocks back: it reads as zeros, and its neighbours are untouched', () => {
    const arena = new Arena(binding, 4 * 1024 * 1024);
    const before = arena.allocate(100);
    const large = arena.allocate(2 * 1024 * 1024 + 100);
    const after = arena.allocate(100);
    arena.bytes.fill(7);
    arena.free(large);
    expect(arena.bytes[large + 1024 * 1024]).toBe(0);
    expect([...arena.bytes.subarray(before, before + ALIGNMENT * 2)]).toEqual(Array(ALIGNMENT * 2).fill(7));
    expect([...arena.bytes.subarray(after, after + ALIGNMENT * 2)]).toEqual(Array(ALIGNMENT * 2).fill(7));
  });
});
