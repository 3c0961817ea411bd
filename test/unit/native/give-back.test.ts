import { describe, expect, it } from 'vitest';
import { giveBack } from '../../../src/native/give-back.ts';

const MIB = 1024 * 1024;

describe('giving memory back', () => {
  it('empties large buffers and every view on them', () => {
    const bytes = new Uint8Array(2 * MIB);
    const view = bytes.subarray(10, 20);
    giveBack(view);
    expect([bytes.length, view.length]).toEqual([0, 0]);
  });

  it('leaves small and shared memory alone, and what is not there', () => {
    const small = new Uint8Array(MIB - 1);
    const shared = new Uint8Array(new SharedArrayBuffer(2 * MIB));
    for (const bytes of [small, shared, null, undefined]) giveBack(bytes);
    expect([small.length, shared.length]).toEqual([MIB - 1, 2 * MIB]);
  });
});
