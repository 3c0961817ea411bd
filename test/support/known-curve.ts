/** A curve that is given and never learns: what a scheduler does when it is right. */

import type { Curve } from '../../src/core/scheduling.ts';

/** The curve of a function that never falls with its rows, microseconds. */
export function knownCurve(us: (rows: number) => number, mostRows = 1024): Curve {
  return {
    at: (rows) => us(Math.max(1, rows)),
    observe: () => undefined,
    knownAbove: (rows) => (rows < mostRows ? rows + 1 : 0),
    mostRows,
    revision: 0,
    spread: 0,
    shifts: 0,
    ignored: 0,
    points: () => [],
  };
}
