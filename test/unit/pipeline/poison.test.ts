import { beforeEach, describe, expect, it } from 'vitest';
import { PoisonTable } from '../../../src/pipeline/poison.ts';
import type { InferRequest } from '../../../src/pipeline/request.ts';

const MINUTE_US = 60_000_000;

describe('the table of requests that killed two workers', () => {
  const arena = new Uint8Array(1024);
  let table: PoisonTable;
  beforeEach(() => {
    table = new PoisonTable(arena);
  });

  /** A request of eight bytes at `offset`, all of them `value`. */
  function request(offset: number, value: number, session = 1, dims: readonly number[] = [1, 8]): InferRequest {
    arena.fill(value, offset, offset + 8);
    const entry = { plan: { inputs: [{ dims }] }, form: null };
    return { target: { session }, entry, bytes: 8, offsets: [offset], sizes: [8], strings: [null] } as never;
  }

  it('knows the same bytes for the same model wherever they lie, and no others', () => {
    table.add(request(0, 5), 0);
    expect(table.holds(request(64, 5), 1)).toBe(true);
    expect(table.holds(request(64, 6), 1)).toBe(false);
    expect(table.holds(request(64, 5, 2), 1)).toBe(false);
    expect(table.holds(request(64, 5, 1, [2, 4]), 1)).toBe(false);
  });

  it('tells strings apart', () => {
    const words = (...strings: string[]) => ({ ...request(0, 0), strings: [strings] }) as unknown as InferRequest;
    table.add(words('ab', 'c'), 0);
    expect(table.holds(words('ab', 'c'), 1)).toBe(true);
    expect(table.holds(words('a', 'bc'), 1)).toBe(false);
  });

  it('forgets after ten minutes, and is then empty', () => {
    table.add(request(0, 5), 0);
    expect(table.holds(request(0, 5), 10 * MINUTE_US - 1)).toBe(true);
    expect(table.holds(request(0, 5), 10 * MINUTE_US)).toBe(false);
    expect(table.size).toBe(0);
  });

  it('keeps at most 256, the latest', () => {
    for (let session = 1; session <= 300; session++) table.add(request(0, 5, session), 0);
    expect(table.size).toBe(256);
    expect(table.holds(request(0, 5, 44), 1)).toBe(false);
    expect(table.holds(request(0, 5, 45), 1)).toBe(true);
  });
});
