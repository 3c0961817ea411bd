/**
 * Brings sessions to lanes, warm, and takes them away. A lane does one thing after the other: while it loads, batches would
 * wait behind that, so that who depends on lanes is told when one begins to load and when it has ended.
 */

import type { Clock } from '../core/clock.ts';
import type { Lane, SessionInfo, SessionSpec } from '../core/instance.ts';

/** Only for batches as quick as this it matters what the way to a lane costs, microseconds; runs to see what it does. */
const QUICK_RUN_US = 2_000;
const HOPS = 5;

/** A session that may live on several lanes. */
export interface Loadable {
  readonly spec: SessionSpec;
  /** A real run there; resolves with the microseconds in ONNX Runtime, Infinity where nothing valid is known to be run. */
  readonly warm: (lane: number) => Promise<number>;
}

/** The sessions of all lanes, as far as they come and go. */
export class LaneSessions {
  readonly #lanes: readonly Lane[];
  readonly #clock: Clock;
  readonly #onLoading: (lane: number) => void;
  /** Loads under way, by lane. */
  readonly #loads: number[];

  /** @param onLoading told whenever `loads` of a lane has changed */
  constructor(lanes: readonly Lane[], clock: Clock, onLoading: (lane: number) => void) {
    this.#lanes = lanes;
    this.#clock = clock;
    this.#onLoading = onLoading;
    this.#loads = lanes.map(() => 0);
  }

  /** Loads under way on the lane. */
  loads(lane: number): number {
    return this.#loads[lane];
  }

  /** Loads a session. @throws what loading throws */
  load(lane: number, spec: SessionSpec): Promise<SessionInfo> {
    return this.#loading(lane, () => this.#lanes[lane].load(spec));
  }

  /**
   * Loads a session and runs it.
   * @returns what the way to the lane and back adds to a quick batch, microseconds
   * @throws what loading throws
   */
  prepare(lane: number, { spec, warm }: Loadable): Promise<number> {
    return this.#loading(lane, async () => {
      await this.#lanes[lane].load(spec);
      return (await warm(lane)) < QUICK_RUN_US ? this.#hopUs(lane, warm) : 0;
    });
  }

  /** Takes a session away when what runs of it there has ended. @throws where that fails */
  unload(lane: number, { spec }: Loadable): Promise<void> {
    return this.#lanes[lane].unload(spec.session);
  }

  /** 0 where it is little beside the batch. */
  async #hopUs(lane: number, warm: Loadable['warm']): Promise<number> {
    let least = Number.POSITIVE_INFINITY;
    for (let i = 0; i < HOPS; i++) {
      const startedUs = this.#clock.nowUs();
      const runUs = await warm(lane);
      if (!(runUs < QUICK_RUN_US)) return 0;
      least = Math.min(least, this.#clock.nowUs() - startedUs - runUs);
    }
    return Math.max(0, least);
  }

  async #loading<R>(lane: number, work: () => Promise<R>): Promise<R> {
    this.#loads[lane]++;
    this.#onLoading(lane);
    try {
      return await work();
    } finally {
      this.#loads[lane]--;
      this.#onLoading(lane);
    }
  }
}
