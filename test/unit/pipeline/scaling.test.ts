import { describe, expect, test } from 'vitest';
import { type Look, Scaling } from '../../../src/pipeline/scaling.ts';

const LOOK_US = 100_000;

/** A version that is looked at ten times a second, and has what is decided at the next look. */
class Looked {
  readonly scaling = new Scaling();
  nowUs = 0;
  running = 1;
  readonly min: number;
  readonly max: number;

  constructor(min = 1, max = 8) {
    this.min = min;
    this.max = max;
  }

  look(seen: Partial<Look> = {}): number {
    const sinceUs = this.nowUs;
    this.nowUs += LOOK_US;
    const { nowUs, running, min, max } = this;
    const quiet = { busyUs: 0, peak: 0, waited: false, refused: 0 };
    this.running = this.scaling.decide({ nowUs, sinceUs, running, min, max, ...quiet, ...seen });
    return this.running;
  }

  looks(seconds: number, seen: Partial<Look> = {}): number {
    for (let i = 0; i < seconds * 10; i++) this.look(seen);
    return this.running;
  }
}

describe('the number of instances', () => {
  test('is one more where somebody waited, at the first look', () => {
    expect(new Looked().look({ waited: true, busyUs: 10_000, peak: 1 })).toBe(2);
  });

  test('doubles where somebody waited and the lanes were full, or requests were refused', () => {
    const full = new Looked();
    full.running = 3;
    expect(full.look({ waited: true, busyUs: 3 * 0.9 * LOOK_US, peak: 3 })).toBe(6);
    expect(full.look({ waited: true, busyUs: 6 * 0.9 * LOOK_US, peak: 6 })).toBe(8);
    const refusing = new Looked();
    refusing.running = 2;
    expect(refusing.look({ refused: 1, peak: 2 })).toBe(4);
  });

  test('stays where one caller after the other fills the lane and none waits', () => {
    expect(new Looked().looks(60, { busyUs: 0.99 * LOOK_US, peak: 1 })).toBe(1);
  });

  test('falls after a rest to what ran at once during it', () => {
    const looked = new Looked();
    looked.running = 6;
    looked.look({ peak: 6 });
    looked.looks(3, { peak: 1 });
    looked.look({ peak: 3 });
    looked.looks(2, { peak: 2 });
    expect(looked.looks(4.8)).toBe(6);
    expect(looked.looks(0.1)).toBe(3);
    expect(looked.looks(3)).toBe(3);
    expect(looked.looks(0.1)).toBe(2);
    expect(looked.looks(1.9)).toBe(2);
    expect(looked.looks(0.1)).toBe(1);
  });

  test('is what the bounds say at once where they are not kept', () => {
    const few = new Looked(3, 4);
    expect(few.look()).toBe(3);
    const many = new Looked(1, 2);
    many.running = 3;
    expect(many.look({ peak: 3 })).toBe(2);
  });

  test('replaces instances whose lanes have no thread', () => {
    const looked = new Looked(2, 4);
    looked.running = 0;
    expect(looked.look()).toBe(2);
  });

  test('rests twice as long where what was given up is needed again soon, and as before where it is not', () => {
    const looked = new Looked();
    for (const restS of [10, 20, 40, 80, 160, 320, 600, 600]) {
      looked.look({ waited: true, peak: 1 });
      expect([looked.running, looked.scaling.restUs]).toEqual([2, restS * 1e6]);
      expect(looked.looks(restS - 1)).toBe(2);
      expect(looked.looks(1.1)).toBe(1);
    }
    looked.looks(6_000);
    looked.look({ waited: true, peak: 1 });
    expect(looked.scaling.restUs).toBe(10_000_000);
  });
});
