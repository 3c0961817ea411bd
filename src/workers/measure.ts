/** How long a batch takes on a lane: the figure that decides where a model runs. */

/** Most time spent on measuring one model, microseconds. */
const BUDGET_US = 40_000;

/** Enough of them that the code is warm in the end, and that one falls between the disturbances of a shared machine. */
const REPEATS = 100;

/**
 * Least run time of a batch, after one warm-up run: what the model takes when the machine does nothing else, which is what
 * can be known of it at load. A model whose first run is slow already is not run again.
 * @param run one batch; resolves with the microseconds it took.
 */
export async function measureRun(run: () => Promise<number>): Promise<number> {
  const first = await run();
  let best = first;
  let spentUs = first;
  for (let i = 0; i < REPEATS && spentUs + best < BUDGET_US; i++) {
    const us = await run();
    best = Math.min(best, us);
    spentUs += us;
  }
  return best;
}
