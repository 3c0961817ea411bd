import { describe, expect, it } from 'vitest';
import { ManualBatcher } from '../../../bench/http/manual-batcher.ts';
import { BareTraveller } from '../../../bench/runner/schedulers.ts';
import { LatencyCurve } from '../../../src/batching/curve.ts';

const curve = new LatencyCurve(64, [{ rows: 1, us: 100 }]);

function setUp(rows: number, delayUs: number, { queueRows = 100, lanes = 1 } = {}) {
  const wakes: number[] = [];
  const batcher = new ManualBatcher<BareTraveller>(lanes, { rows, delayUs }, (us) => wakes.push(us));
  const every = Array.from({ length: lanes }, (_, i) => i);
  const queue = batcher.open({ maxBatchRows: 64, lanes: every, queueRows, queueBytes: 1e9, sloUs: 0, curve });
  const arrive = (nowUs: number, deadlineUs = Number.POSITIVE_INFINITY) => {
    const traveller = new BareTraveller();
    traveller.again(nowUs, deadlineUs);
    return { traveller, refusal: batcher.arrive(queue, traveller) };
  };
  return { batcher, queue, wakes, arrive };
}

describe('the batcher that is set by hand', () => {
  it('waits for the size, and for no longer than the delay since the oldest came', () => {
    const { batcher, wakes, arrive } = setUp(3, 1_000);
    arrive(10_000);
    arrive(10_400);
    expect(batcher.next(10_400, [])).toBeNull();
    expect(wakes).toEqual([600]);
    // Asked for once: the timer is under way.
    expect(batcher.next(10_500, [])).toBeNull();
    expect(wakes).toEqual([600]);
    expect(batcher.next(11_000, [])).toMatchObject({ rows: 2, lane: 0, startedUs: 11_000 });
  });

  it('starts at once where the size is reached, and leaves the rest in the order they came', () => {
    const { batcher, queue, arrive } = setUp(2, 1_000);
    const [a, b, c] = [arrive(1), arrive(2), arrive(3)].map(({ traveller }) => traveller);
    const batch = batcher.next(3, []);
    expect(batch?.requests).toEqual([a, b]);
    expect(queue.head).toBe(c);
    expect(batcher.next(3, [])).toBeNull();
    if (batch !== null) batcher.finish(batch);
    expect(batcher.next(1_003, [])?.requests).toEqual([c]);
  });

  it('drops at the head who has passed his deadline, and refuses who finds the queue full', () => {
    const { batcher, queue, arrive } = setUp(8, 0, { queueRows: 2 });
    arrive(0, 50);
    arrive(0, 500);
    expect(arrive(0).refusal?.kind).toBe('queueRows');
    const expired: BareTraveller[] = [];
    expect(batcher.next(100, expired)?.rows).toBe(1);
    expect(expired).toHaveLength(1);
    expect([queue.length, queue.rows, queue.bytes]).toEqual([0, 0, 0]);
  });

  it('a cancelled request leaves its place, and one that runs ends when it is swept', () => {
    const { batcher, queue, arrive } = setUp(1, 0);
    const { traveller: first } = arrive(0, 400);
    const { traveller: second } = arrive(0, 500);
    batcher.next(0, []);
    batcher.cancel(second);
    expect([queue.length, second.state]).toEqual([0, 'ENDED']);
    const expired: BareTraveller[] = [];
    batcher.sweep(400, expired);
    expect(expired).toEqual([first]);
  });

  it('runs a retry alone, and shapes apart', () => {
    const { batcher, queue, arrive } = setUp(8, 0);
    const { traveller: failed } = arrive(0);
    const batch = batcher.next(0, []);
    arrive(1);
    const { traveller: other } = arrive(2);
    other.shapeKey = 'other';
    if (batch !== null) batcher.finish(batch);
    batcher.retryAlone(queue, failed);
    const sizes: number[] = [];
    for (let run = batcher.next(3, []); run !== null; run = batcher.next(3, [])) {
      sizes.push(run.requests.length);
      batcher.finish(run);
    }
    expect(sizes).toEqual([1, 1, 1]);
  });
});
