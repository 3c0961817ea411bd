/** Time, injected: nothing inside reads a clock of its own. */

/** A monotonic clock in whole microseconds since an arbitrary start. */
export interface Clock {
  nowUs(): number;
  /** How long the event loop of this thread has slept by it, in all; without this nobody knows. */
  sleptUs?(): number;
}

/** The process's monotonic clock. */
export const systemClock: Clock = {
  nowUs: () => Math.floor(performance.now() * 1000),
  sleptUs: () => performance.nodeTiming.idleTime * 1000,
};
