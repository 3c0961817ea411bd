import { beforeEach, describe, expect, test } from 'vitest';
import { DecodeQueue } from '../../../src/preprocess/decode-queue.ts';
import { type QueuedPicture, queued } from '../../support/queued-pictures.ts';

let queue: DecodeQueue<QueuedPicture>;
beforeEach(() => {
  queue = new DecodeQueue();
});

/** Pictures of a flow, each of so much work, `1a` and so on. */
function come(flow: string, works: readonly number[], more: Partial<QueuedPicture> = {}): QueuedPicture[] {
  return works.map((work) => {
    const picture = queued({ flow, work, ...more });
    queue.push(picture);
    return picture;
  });
}

/** Whose turn it is, one after the other, while there is so much memory. */
function turns(count: number, freeBytes = Number.POSITIVE_INFINITY): (string | null)[] {
  return Array.from({ length: count }, () => queue.next(freeBytes)?.flow ?? null);
}

describe('turns', () => {
  test('of one flow are taken in the order in which its pictures came', () => {
    const pictures = come('a', [3, 1, 2]);
    expect([queue.next(1), queue.next(1), queue.next(1), queue.next(1)]).toEqual([...pictures, null]);
    expect([queue.pictures, queue.fileBytes, queue.bytes]).toEqual([0, 0, 0]);
  });

  test('go to who was given least work: large pictures wait for as many small ones as they outweigh', () => {
    come('large', [10, 10, 10]);
    come('small', Array(25).fill(1));
    expect(turns(23).filter((flow) => flow === 'large')).toHaveLength(3);
    expect(turns(5)).toEqual(Array(5).fill('small'));
  });

  test('come to one picture next, whatever another flow has sent before', () => {
    come('flood', Array(1000).fill(50));
    turns(10);
    come('other', [900]);
    expect(turns(2)).toContain('other');
  });

  test('are not owed for time in which nothing was wanted, and nothing is owed where nobody waits', () => {
    come('a', Array(100).fill(10));
    turns(60);
    come('b', Array(60).fill(10));
    expect(turns(40).filter((flow) => flow === 'a')).toHaveLength(20);
    turns(60);
    come('b', [10]);
    come('a', [10]);
    expect(turns(1)).toEqual(['b']);
  });

  test('are paid for by who leaves for a while and comes back while others wait', () => {
    come('often', [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]);
    come('large', [8]);
    expect(turns(2)).toContain('large');
    come('large', [8]);
    expect(turns(6)).not.toContain('large');
  });

  test('are not waited for by a picture that was taken away', () => {
    const [first, second, third] = come('a', [1, 1, 1]);
    queue.remove(second);
    queue.remove(first);
    expect([queue.next(1), queue.next(1), queue.pictures]).toEqual([third, null, 0]);
  });
});

describe('a picture that the memory left is not enough for', () => {
  test('is passed by as much work as it is, and then by nothing until it has had its turn', () => {
    const [large] = come('a', [5], { bytes: 100 });
    const small = come('a', Array(20).fill(2), { bytes: 10 });
    const passed = Array.from({ length: 3 }, () => queue.next(50));
    expect(passed).toEqual(small.slice(0, 3));
    expect([queue.next(50), queue.next(99)]).toEqual([null, null]);
    expect([queue.next(100), queue.next(50)]).toEqual([large, small[3]]);
  });

  test('goes before all others as soon as there is enough', () => {
    const [large] = come('a', [50], { bytes: 100 });
    come('b', [1, 1, 1], { bytes: 10 });
    expect(turns(1, 50)).toEqual(['b']);
    expect(queue.next(100)).toBe(large);
  });

  test('is passed by another that stepped aside after it and needs less, which counts', () => {
    come('a', [5], { bytes: 100 });
    come('b', [6], { bytes: 60 });
    come('c', [1, 1], { bytes: 10 });
    expect(turns(1, 50)).toEqual(['c']);
    expect(turns(2, 70)).toEqual(['b', null]);
    expect(turns(2, 100)).toEqual(['a', 'c']);
  });

  test('may be taken away, and keeps nobody waiting any more', () => {
    const [large] = come('a', [1], { bytes: 100 });
    come('a', [1, 1], { bytes: 10 });
    expect(turns(2, 50)).toEqual(['a', null]);
    queue.remove(large);
    expect([turns(1, 50), queue.pictures]).toEqual([['a'], 0]);
  });

  test('keeps its own flow waiting with the next such one, and others only by itself', () => {
    come('a', Array(20).fill(5), { bytes: 100 });
    come('a', [1], { bytes: 10 });
    expect(turns(1, 50)).toEqual([null]);
    come('b', [2, 2, 2, 2], { bytes: 10 });
    expect(turns(4, 50)).toEqual(['b', 'b', 'b', null]);
    expect(turns(22, 100).toSorted()).toEqual([...Array(21).fill('a'), 'b']);
  });
});

describe('a picture that had its turn, and for which nothing was done,', () => {
  test('comes back as the next one, once paid for', () => {
    const [first] = come('a', [5, 5, 5]);
    come('b', [5, 5]);
    expect(queue.next(1)).toBe(first);
    queue.putBack(first);
    expect([queue.pictures, queue.bytes, queue.ahead('a', 0)]).toEqual([5, 5, 15 + 10]);
    expect(queue.next(1)).toBe(first);
    expect(turns(4)).toEqual(['b', 'a', 'b', 'a']);
  });

  test('may be taken away', () => {
    const [one] = come('a', [5]);
    queue.next(1);
    queue.putBack(one);
    queue.remove(one);
    expect([queue.next(1), queue.pictures, queue.ahead('b', 100)]).toEqual([null, 0, 0]);
  });

  test('is not paid for where it goes', () => {
    come('late', Array(10).fill(50));
    come('other', Array(10).fill(50));
    for (let i = 0; i < 9; i++) {
      const one = queue.next(1) as QueuedPicture;
      expect(one.flow).toBe('late');
      queue.forgive(one);
    }
    expect(turns(3)).toEqual(['late', 'other', 'other']);
  });
});

describe('where more waits than may', () => {
  test('the newest of who has most gives way', () => {
    const flood = come('flood', Array(9).fill(1));
    const [one] = come('other', [1]);
    expect(queue.surplus(one, 'pictures', 10)).toEqual([]);
    expect(queue.surplus(one, 'pictures', 9)).toEqual([flood[8]]);
  });

  test('as many of them as are needed', () => {
    const flood = come('flood', Array(9).fill(1), { fileBytes: 10 });
    const [one] = come('other', [1], { fileBytes: 25 });
    expect(queue.surplus(one, 'fileBytes', 90)).toEqual([flood[8], flood[7], flood[6]]);
  });

  test('a newcomer of the flow that has most does, and one whose flow would have most then', () => {
    const flood = come('flood', Array(9).fill(1), { fileBytes: 10 });
    expect(queue.surplus(flood[8], 'fileBytes', 80)).toEqual([flood[8]]);
    const [large] = come('other', [1], { fileBytes: 60 });
    expect(queue.surplus(large, 'fileBytes', 100)).toEqual([large]);
  });

  test('who stepped aside keeps his place', () => {
    come('large', [1], { bytes: 100, fileBytes: 100 });
    expect(turns(1, 50)).toEqual([null]);
    const [one] = come('other', [1], { fileBytes: 10 });
    expect(queue.surplus(one, 'fileBytes', 100)).toEqual([one]);
  });
});

describe('the work before that of a flow', () => {
  test('is all of its own, and of each other as much at most', () => {
    come('a', [10, 10]);
    come('b', [100, 100]);
    come('c', [5]);
    expect(queue.ahead('new', 0)).toBe(0);
    expect(queue.ahead('new', 7)).toBe(7 + 7 + 5);
    expect(queue.ahead('a', 0)).toBe(20 + 20 + 5);
    expect(queue.ahead('b', 0)).toBe(200 + 20 + 5);
  });

  test('is that of pictures which are announced, too', () => {
    queue.announce('batch', 1000);
    expect([queue.ahead('other', 300), queue.ahead('batch', 0), queue.pictures]).toEqual([300, 1000, 0]);
    queue.announce('batch', -400);
    come('batch', [400]);
    expect(queue.ahead('batch', 0)).toBe(1000);
    turns(1);
    queue.announce('batch', -600);
    expect(queue.ahead('batch', 0)).toBe(0);
  });
});
