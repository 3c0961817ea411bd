/** How long a batch takes on a lane: the figure that decides where a model runs. */

/** Most time spent on measuring one model, microseconds. */
const BUDGET_US = 200_000;

const REPEATS = 5;

/**
 * Median run time of a batch, after one warm-up run. A model whose first run is slow already is not run again.
 * @param run one batch; resolves with the microseconds it took.
 */
export async function measureRun(run: () => Promise<number>): Promise<number> {
  const first = await run();
  const times: number[] = [];
  let spentUs = first;
  while (times.length < REPEATS && spentUs + first < BUDGET_US) {
    const us = await run();
    times.push(us);
    spentUs += us;
  }
  if (times.length === 0) return first;
  return times.sort((a, b) => a - b)[Math.floor(times.length / 2)] as number;
}
