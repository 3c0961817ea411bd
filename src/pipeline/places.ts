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
import { LaneSessions, type Loadable } from './lane-sessions.ts';
import { Place, type PlaceParts } from './place.ts';
import type { InferRequest } from './request.ts';
import type { Target } from './target.ts';
import type { Usage } from './usage.ts';

/** Time between two looks, milliseconds. */
const LOOK_MS = 100;

/** A wait is looked at at once where the last look is so long ago, microseconds: less shows too little. */
const LEAST_LOOK_US = 20_000;

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
  readonly #sessions: LaneSessions;
  readonly #laneBusyUs: number[];
  /** Part of the time that each lane was busy lately. */
  readonly #share: number[];
  #sinceUs: number;
  #timer: NodeJS.Timeout | null = null;
  #stopped = false;

  constructor(parts: PlacesParts) {
    this.#parts = parts;
    this.#sessions = new LaneSessions(parts.lanes, parts.clock, (lane) => this.#applyAround(lane));
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

  /** Loads a session on a lane; whoever else is at home there goes round it meanwhile where it can. */
  load(lane: number, spec: SessionSpec): Promise<SessionInfo> {
    return this.#sessions.load(lane, spec);
  }

  /** The same with a first run. @returns what the way to the lane and back adds to a quick batch, microseconds */
  prepare(lane: number, session: Loadable): Promise<number> {
    return this.#sessions.prepare(lane, session);
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
    const placement = times === null ? place.placement : place.placing.decide(times, place.busy(nowUs), nowUs);
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

  /** The front thread's lane is the last one. */
  get #inline(): number {
    return this.#parts.lanes.length - 1;
  }

  /** Whether requests wait while every lane that could take them has something to do, be it another's batch. */
  #isStuck({ parts }: Place): boolean {
    const { queue } = parts.target;
    if (queue.length === 0) return false;
    const lanes = this.#parts.driver.lanes();
    return queue.lanes.every((lane) => !lanes[lane].up || lanes[lane].batch !== null);
  }

  #begin(place: Place, move: Promise<void>): void {
    place.moving = move
      .catch((error: unknown) => this.#parts.onFailed(place.parts.target, place.homes[0], error))
      .finally(() => {
        place.moving = null;
      });
  }

  async #grow(place: Place, lanes: readonly number[]): Promise<void> {
    await Promise.all(
      lanes.map(async (lane) => {
        if (!(await this.#tried(place, lane))) return;
        place.settled('worker', [...place.homes, lane], 0, this.#parts.clock.nowUs());
        this.#apply(place);
        this.#tell(place, `lane ${lane} more`);
      }),
    );
  }

  async #shrink(place: Place, lanes: readonly number[]): Promise<void> {
    const homes = place.homes.filter((lane) => !lanes.includes(lane));
    place.settled('worker', homes, 0, this.#parts.clock.nowUs());
    this.#apply(place);
    this.#tell(place, `lane ${lanes.join(', ')} less`);
    await this.#unload(place, lanes);
  }

  /** To the front thread or away from it: loaded there first, then unloaded here. */
  async #move(place: Place, placement: Placement): Promise<void> {
    const old = place.homes;
    const lanes = placement === 'inline' ? [this.#inline] : idlest(this.#workers(), place.parts.range.min);
    const sinceUs = this.#parts.clock.nowUs();
    const there = await Promise.all(lanes.map((lane) => this.#tried(place, lane)));
    const homes = lanes.filter((_, i) => there[i]);
    const nowUs = this.#parts.clock.nowUs();
    if (lanes.length === 0) place.failed(nowUs);
    if (homes.length === 0) return;
    place.settled(placement, homes, nowUs - sinceUs, nowUs);
    this.#apply(place);
    this.#tell(place, placement === 'inline' ? 'its batches may be quick there' : 'its batches hold the front thread');
    await this.#unload(place, old);
  }

  /** Whether it is loaded and warm there; where not, nothing of it is left and the next try is put off. */
  async #tried(place: Place, lane: number): Promise<boolean> {
    try {
      const hopUs = await this.#sessions.prepare(lane, place.parts);
      if (lane < this.#inline) place.hopUs = hopUs;
      return true;
    } catch (error) {
      place.failed(this.#parts.clock.nowUs());
      this.#parts.onFailed(place.parts.target, lane, error);
      await this.#unload(place, [lane]);
      return false;
    }
  }

  /** A lane does one thing after the other: what runs of it there has ended before. */
  async #unload({ parts }: Place, lanes: readonly number[]): Promise<void> {
    await Promise.all(
      lanes.map(async (lane) => {
        try {
          await this.#sessions.unload(lane, parts);
        } catch (error) {
          this.#parts.onFailed(parts.target, lane, error);
        }
      }),
    );
  }

  #applyAround(lane: number): void {
    for (const place of this.#places.values()) {
      if (place.homes.length > 1 && place.homes.includes(lane)) this.#apply(place);
    }
  }

  #apply(place: Place): void {
    const { target } = place.parts;
    const free = place.homes.filter((lane) => this.#sessions.loads(lane) === 0);
    this.#parts.driver.setLanes(target.queue, free.length > 0 ? free : place.homes, place.batchRows());
  }

  #tell(place: Place, reason: string): void {
    const { target } = place.parts;
    target.facts = place.facts(place.batchRows());
    this.#parts.onMoved(target, reason);
  }

  /** The worker lanes that have a thread. */
  #workers(): LaneState[] {
    const places = [...this.#places.values()];
    return this.#parts.lanes.slice(0, -1).flatMap(({ ready }, lane) => {
      if (!ready) return [];
      const sessions = places.filter(({ homes }) => homes.includes(lane)).length + this.#sessions.loads(lane);
      return [{ lane, busy: this.#share[lane], sessions }];
    });
  }
}
