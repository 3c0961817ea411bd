/** Time, injected: nothing inside reads a clock of its own. */

/** A monotonic clock in whole microseconds since an arbitrary start. */
export interface Clock {
  nowUs(): number;
}

/** The process's monotonic clock. */
export const systemClock: Clock = {
  nowUs: () => Math.floor(performance.now() * 1000),
};
