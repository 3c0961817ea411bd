/** One model version and the lanes that hold it: what was seen of it since the last look, and what it tells of its place. */

import type { Placement, ServedFacts } from '../core/model.ts';
import type { Curve } from '../core/scheduling.ts';
import type { Loadable } from './lane-sessions.ts';
import { type BatchTimes, inlineRows, Placing } from './placement.ts';
import { type Look, Scaling } from './scaling.ts';
import type { Target } from './target.ts';
import { INLINE_RANGE, type InstanceBounds } from './threads.ts';

/** Pause after a move that failed, microseconds: doubles while they keep failing. */
const FIRST_PAUSE_US = 1_000_000;
const MOST_PAUSE_US = 60_000_000;

/** What a place is made from: a version whose session is loaded and warm on `homes`. */
export interface PlaceParts extends Loadable {
  readonly target: Target;
  readonly homes: readonly number[];
  /** Bounds of its instances on workers. */
  readonly range: InstanceBounds;
  /** What the way to a worker and back adds to a batch, microseconds; 0 where that is not known. */
  readonly hopUs: number;
  /** What is known of its batches; null where it is to stay where it is, inline or on workers. */
  readonly curve: Curve | null;
}

/** Where one version runs. Its fields are changed by whoever moves it. */
export class Place {
  readonly parts: PlaceParts;
  /** Lanes that hold it, warm. */
  homes: readonly number[];
  placement: Placement;
  readonly placing: Placing;
  readonly scaling = new Scaling();
  /** The move under way; never rejects. */
  moving: Promise<void> | null = null;
  hopUs: number;
  /** When the time since the last look began. */
  sinceUs = 0;
  /** No move is tried before. */
  restsUntilUs = Number.NEGATIVE_INFINITY;
  #failures = 0;
  #busyUs = 0;
  #waits = 0;
  #refused = 0;

  constructor(parts: PlaceParts, nowUs: number) {
    const { facts } = parts.target;
    this.parts = parts;
    this.homes = parts.homes;
    this.hopUs = parts.hopUs;
    this.placement = facts.placement;
    this.placing = new Placing(facts.placement);
    this.forget(nowUs);
  }

  /** Bounds of its instances where it is now. */
  get bounds(): InstanceBounds {
    return this.placement === 'inline' ? INLINE_RANGE : this.parts.range;
  }

  /** Whether somebody waited since the last look. */
  get waited(): boolean {
    return this.parts.target.usage.waits > this.#waits;
  }

  /** Part of the time since the last look that its batches took, of all its lanes together. */
  busy(nowUs: number): number {
    return (this.parts.target.usage.busyUs(nowUs) - this.#busyUs) / Math.max(1, nowUs - this.sinceUs);
  }

  /** What was seen since the last look. @param stuck whether somebody waits now with no lane free */
  look(nowUs: number, running: number, stuck: boolean): Look {
    const { target } = this.parts;
    const { sinceUs, waited } = this;
    const busyUs = target.usage.busyUs(nowUs) - this.#busyUs;
    const refused = refusals(target) - this.#refused;
    const peak = target.usage.takePeak();
    this.forget(nowUs);
    return { nowUs, sinceUs, running, ...this.bounds, busyUs, peak, waited: waited || stuck, refused };
  }

  /** What happened until now is nobody's reason for anything. */
  forget(nowUs: number): void {
    const { target } = this.parts;
    this.sinceUs = nowUs;
    this.#busyUs = target.usage.busyUs(nowUs);
    this.#waits = target.usage.waits;
    this.#refused = refusals(target);
  }

  /** How long its batches take now; null where it stays where it is. */
  times(): BatchTimes | null {
    const { curve, target } = this.parts;
    if (curve === null) return null;
    const us = curve.at(target.facts.measuredRows);
    const runUs = this.placement === 'worker' ? this.#withoutHop(us) : us;
    return { us: runUs, slowUs: runUs + us * curve.spread };
  }

  /** Most rows of a batch where it is now. */
  batchRows(): number {
    const { curve, target } = this.parts;
    const { maxBatchSize, batchRows, measuredRows, placement } = target.facts;
    if (this.placement === 'worker') return maxBatchSize;
    if (placement === 'inline' || curve === null) return batchRows;
    return inlineRows(maxBatchSize, measuredRows, this.#withoutHop(curve.at(measuredRows)));
  }

  /** A way that took long when it was measured must not make a long batch look short. */
  #withoutHop(us: number): number {
    return us - Math.min(this.hopUs, us / 2);
  }

  /** It runs there now. @param loadUs what it took to load it there */
  settled(placement: Placement, homes: readonly number[], loadUs: number, nowUs: number): void {
    this.#failures = 0;
    this.homes = homes;
    if (placement !== this.placement) this.placing.moved(placement, loadUs, nowUs);
    this.placement = placement;
    this.forget(nowUs);
  }

  /** A move failed: the next is tried after a while. */
  failed(nowUs: number): void {
    const pauseUs = Math.min(MOST_PAUSE_US, FIRST_PAUSE_US * 2 ** this.#failures++);
    this.restsUntilUs = nowUs + pauseUs;
    this.placing.failed(nowUs);
  }

  /** What is known of the version, with where it runs now. */
  facts(batchRows: number): ServedFacts {
    const { placement, homes, bounds } = this;
    const { facts } = this.parts.target;
    return { ...facts, placement, batchRows, instances: homes.length, instanceRange: bounds };
  }
}

/** By the queue alone: another instance neither decodes pictures nor makes memory. */
function refusals({ queue }: Target): number {
  return queue.refused + queue.displaced;
}
