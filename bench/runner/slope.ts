/** A straight line through measured points. */

/** Slope of the least-squares line, and the half of its 95 % interval. */
export function slopeOf(points: readonly (readonly [number, number])[]): { slope: number; halfWidth: number } {
  const n = points.length;
  const meanX = points.reduce((sum, [x]) => sum + x, 0) / n;
  const meanY = points.reduce((sum, [, y]) => sum + y, 0) / n;
  const spread = points.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0);
  const slope = points.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0) / spread;
  const rest = points.reduce((sum, [x, y]) => sum + (y - meanY - slope * (x - meanX)) ** 2, 0);
  // Two points always lie on a line: nothing is known of how well.
  const halfWidth = n < 3 ? Number.POSITIVE_INFINITY : 1.96 * Math.sqrt(rest / (n - 2) / spread);
  return { slope, halfWidth };
}
