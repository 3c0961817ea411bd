/** Medians, and intervals by a seeded bootstrap: the same samples give the same interval. */

/** The middle value. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1
    ? (sorted[middle] as number)
    : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
}

/** 95 % interval of the median, from 2,000 resamples. */
export function interval(values: readonly number[], seed = 1): readonly [number, number] {
  let state = seed;
  const next = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 4_294_967_296;
  };
  const medians = Array.from({ length: 2_000 }, () =>
    median(values.map(() => values[Math.floor(next() * values.length)] as number)),
  ).sort((a, b) => a - b);
  return [medians[50] as number, medians[1_949] as number];
}
