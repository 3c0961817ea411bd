/**
 * Where every model version runs, over time: looks at them ten times a second and carries out what scaling and placement
 * decide. A session is loaded and has run before it is given work, and is unloaded when nothing of it runs there; who runs
 * already is not disturbed by what fails elsewhere. While a lane loads, those who have another one use that.
 */

import type { Driver } from '../batching/driver.ts';
import type { Clock } from '../core/clock.ts';
import type { Lane, SessionInfo, SessionSpec } from '../core/instance.ts';
import type { Placement } from '../core/model.ts';
import { busiest, idlest, type LaneState } from './lane-choice.ts';
import { Place, type PlaceParts } from './place.ts';
import type { InferRequest } from './request.ts';
import type { Target } from './target.ts';
import type { Usage } from './usage.ts';

/** Time between two looks, milliseconds. */
const LOOK_MS = 100;

/** A wait is looked at at once where the last look is so long ago, microseconds: less shows too little. */
const LEAST_LOOK_US = 20_000;

/** Only for batches as quick as this it matters what the way to a lane costs, microseconds; runs to see what it does. */
const QUICK_RUN_US = 2_000;
const HOPS = 5;

/** What the places are made from. */
export interface PlacesParts {
  readonly clock: Clock;
  readonly driver: Pick<Driver<InferRequest>, 'setLanes' | 'lanes'>;
  /** Worker lanes first, the inline lane last: positions are the driver's lane numbers. */
  readonly lanes: readonly Lane[];
  /** How busy each of them is. */
  readonly usage: readonly Usage[];
  /** A version has other lanes now: `target.facts` says which. `reason` is for the log. */
  readonly onMoved: (target: Target, reason: string) => void;
  /** A move that did not come about. */
  readonly onFailed: (target: Target, lane: number, error: unknown) => void;
}

/** The places of all model versions. */
export class Places {
  readonly #parts: PlacesParts;
  readonly #places = new Map<Target, Place>();
  /** Loads under way, by lane. */
  readonly #loads: number[];
  readonly #laneBusyUs: number[];
  /** Part of the time that each lane was busy lately. */
  readonly #share: number[];
  #sinceUs: number;
  #timer: NodeJS.Timeout | null = null;
  #stopped = false;

  constructor(parts: PlacesParts) {
    this.#parts = parts;
    this.#loads = parts.lanes.map(() => 0);
    this.#share = parts.lanes.map(() => 0);
    this.#laneBusyUs = parts.lanes.map(() => 0);
    this.#sinceUs = parts.clock.nowUs();
  }

  /** Looks from now on. */
  start(): void {
    this.#timer ??= setInterval(() => this.look(), LOOK_MS).unref();
  }

  /** Begins nothing more; resolves when what is under way has ended. */
  async stop(): Promise<void> {
    this.#stopped = true;
    if (this.#timer !== null) clearInterval(this.#timer);
    await this.idle();
  }

  /** When no move is under way. */
  async idle(): Promise<void> {
    await Promise.all([...this.#places.values()].map((place) => place.moving));
  }

  /** A version serves. */
  add(parts: PlaceParts): void {
    const place = new Place(parts, this.#parts.clock.nowUs());
    this.#places.set(parts.target, place);
    parts.target.usage.onWait = () => this.#waited(place);
  }

  /** A version that serves no more, with nothing waiting: what is under way is awaited, then it is unloaded everywhere. */
  async remove(target: Target): Promise<void> {
    const place = this.#places.get(target);
    if (place === undefined) return;
    this.#places.delete(target);
    target.usage.onWait = null;
    await place.moving;
    await this.#unload(place, place.homes);
  }

  /** Loads a session on a lane; whoever else is at home there goes round it meanwhile where it can. */
  load(lane: number, spec: SessionSpec): Promise<SessionInfo> {
    return this.#aside(lane, () => this.#parts.lanes[lane].load(spec));
  }

  /** One look at all of them, by the clock. */
  look(): void {
    const nowUs = this.#parts.clock.nowUs();
    this.#lookAtLanes(nowUs);
    for (const place of this.#places.values()) this.#lookAt(place, nowUs);
  }

  #lookAtLanes(nowUs: number): void {
    const passedUs = Math.max(1, nowUs - this.#sinceUs);
    this.#parts.usage.forEach((usage, lane) => {
      const busyUs = usage.busyUs(nowUs);
      this.#share[lane] = (busyUs - this.#laneBusyUs[lane]) / passedUs;
      this.#laneBusyUs[lane] = busyUs;
    });
    this.#sinceUs = nowUs;
  }

  /** Somebody waited: need is seen at once where it can be met. */
  #waited(place: Place): void {
    if (place.moving !== null || place.homes.length >= place.bounds.max) return;
    const nowUs = this.#parts.clock.nowUs();
    if (nowUs - place.sinceUs >= LEAST_LOOK_US) this.#lookAt(place, nowUs);
  }

  #lookAt(place: Place, nowUs: number): void {
    if (this.#stopped || place.moving !== null || nowUs < place.restsUntilUs) return;
    const times = place.times();
    const placement = times === null ? place.placement : place.placing.decide(times, nowUs);
    if (placement !== place.placement) this.#begin(place, this.#move(place, placement));
    else if (placement === 'worker') this.#scale(place, nowUs);
    else place.forget(nowUs);
  }

  #scale(place: Place, nowUs: number): void {
    const up = place.homes.filter((lane) => this.#parts.lanes[lane].ready);
    const wanted = place.scaling.decide(place.look(nowUs, up.length, this.#isStuck(place)));
    if (wanted < up.length) {
      const leaving = busiest(
        this.#workers().filter(({ lane }) => up.includes(lane)),
        up.length - wanted,
      );
      this.#begin(place, this.#shrink(place, leaving));
    }
    if (wanted <= up.length) return;
    const others = this.#workers().filter(({ lane }) => !place.homes.includes(lane));
    const lanes = idlest(others, wanted - up.length);
    if (lanes.length > 0) this.#begin(place, this.#grow(place, lanes));
  }

  /** Whether requests wait while every lane that could take them has something to do, be it another's batch. */
  #isStuck({ parts }: Place): boolean {
    const { queue } = parts.target;
    if (queue.length === 0) return false;
    const lanes = this.#parts.driver.lanes();
    return queue.lanes.every((lane) => !lanes[lane].up || lanes[lane].batch !== null);
  }

  #begin(place: Place, move: Promise<void>): void {
    place.moving = move.finally(() => {
      place.moving = null;
    });
  }

  async #grow(place: Place, lanes: readonly number[]): Promise<void> {
    await Promise.all(
      lanes.map(async (lane) => {
        if (!(await this.#tried(place, lane))) return;
        place.settled('worker', [...place.homes, lane], this.#parts.clock.nowUs());
        this.#apply(place);
        this.#tell(place, `lane ${lane} more`);
      }),
    );
  }

  async #shrink(place: Place, lanes: readonly number[]): Promise<void> {
    const homes = place.homes.filter((lane) => !lanes.includes(lane));
    place.settled('worker', homes, this.#parts.clock.nowUs());
    this.#apply(place);
    this.#tell(place, `lane ${lanes.join(', ')} less`);
    await this.#unload(place, lanes);
  }

  /** To the front thread or away from it: loaded there first, then unloaded here. */
  async #move(place: Place, placement: Placement): Promise<void> {
    const old = place.homes;
    const inline = this.#parts.lanes.length - 1;
    const lanes = placement === 'inline' ? [inline] : idlest(this.#workers(), place.parts.range.min);
    const there = await Promise.all(lanes.map((lane) => this.#tried(place, lane)));
    const homes = lanes.filter((_, i) => there[i]);
    if (homes.length === 0) {
      place.failed(this.#parts.clock.nowUs());
      return;
    }
    place.settled(placement, homes, this.#parts.clock.nowUs());
    this.#apply(place);
    this.#tell(place, placement === 'inline' ? 'its batches are quick now' : 'its batches hold the front thread');
    await this.#unload(place, old);
  }

  /** Whether it is loaded and warm there; where not, nothing of it is left and the next try is put off. */
  async #tried(place: Place, lane: number): Promise<boolean> {
    try {
      await this.#prepare(place, lane);
      return true;
    } catch (error) {
      place.failed(this.#parts.clock.nowUs());
      this.#parts.onFailed(place.parts.target, lane, error);
      await this.#unload(place, [lane]);
      return false;
    }
  }

  /** Loads it and runs it once. @throws what loading throws */
  async #prepare(place: Place, lane: number): Promise<void> {
    const { spec, warm } = place.parts;
    await this.#aside(lane, async () => {
      await this.#parts.lanes[lane].load(spec);
      const firstUs = await warm(lane);
      if (firstUs < QUICK_RUN_US) place.hopUs = await this.#hopUs(() => warm(lane));
    });
  }

  /** The least that the way to a lane and back added to some runs. */
  async #hopUs(run: () => Promise<number>): Promise<number> {
    let least = Number.POSITIVE_INFINITY;
    for (let i = 0; i < HOPS; i++) {
      const startedUs = this.#parts.clock.nowUs();
      const runUs = await run();
      least = Math.min(least, this.#parts.clock.nowUs() - startedUs - runUs);
    }
    return Math.max(0, least);
  }

  /** A lane does one thing after the other: what runs of it there has ended before. */
  async #unload({ parts }: Place, lanes: readonly number[]): Promise<void> {
    await Promise.all(
      lanes.map(async (lane) => {
        try {
          await this.#parts.lanes[lane].unload(parts.spec.session);
        } catch (error) {
          this.#parts.onFailed(parts.target, lane, error);
        }
      }),
    );
  }

  async #aside<R>(lane: number, work: () => Promise<R>): Promise<R> {
    this.#loads[lane]++;
    this.#applyAround(lane);
    try {
      return await work();
    } finally {
      this.#loads[lane]--;
      this.#applyAround(lane);
    }
  }

  #applyAround(lane: number): void {
    for (const place of this.#places.values()) {
      if (place.homes.length > 1 && place.homes.includes(lane)) this.#apply(place);
    }
  }

  #apply(place: Place): void {
    const { target } = place.parts;
    const free = place.homes.filter((lane) => this.#loads[lane] === 0);
    this.#parts.driver.setLanes(target.queue, free.length > 0 ? free : place.homes, place.batchRows());
  }

  #tell(place: Place, reason: string): void {
    const { target } = place.parts;
    target.facts = place.facts(target.queue.batchRows);
    this.#parts.onMoved(target, reason);
  }

  /** The worker lanes that have a thread. */
  #workers(): LaneState[] {
    const places = [...this.#places.values()];
    return this.#parts.lanes.slice(0, -1).flatMap(({ ready }, lane) => {
      if (!ready) return [];
      const sessions = places.filter(({ homes }) => homes.includes(lane)).length + this.#loads[lane];
      return [{ lane, busy: this.#share[lane], sessions }];
    });
  }
}
