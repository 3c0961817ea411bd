/** Which worker lanes an instance is put on, and which are given up first: pure functions over what the lanes do. */

/** A worker lane as far as the choice looks at it. */
export interface LaneState {
  readonly lane: number;
  /** Part of the time that it ran batches lately, 0 to 1, whosever they were. */
  readonly busy: number;
  /** Sessions that live on it. */
  readonly sessions: number;
}

/** Lanes whose busy shares differ by less are alike: what is left of it is chance. */
const ALIKE = 0.1;

/** The `count` idlest lanes, or as many as there are; where they are alike, those with fewer sessions. */
export function idlest(lanes: readonly LaneState[], count: number): number[] {
  return lanes
    .toSorted((a, b) => level(a) - level(b) || a.sessions - b.sessions || a.lane - b.lane)
    .slice(0, Math.max(0, count))
    .map(({ lane }) => lane);
}

/** The `count` lanes that have most else to do. */
export function busiest(lanes: readonly LaneState[], count: number): number[] {
  return lanes
    .toSorted((a, b) => level(b) - level(a) || b.sessions - a.sessions || b.lane - a.lane)
    .slice(0, Math.max(0, count))
    .map(({ lane }) => lane);
}

function level({ busy }: LaneState): number {
  return Math.round(busy / ALIKE);
}
