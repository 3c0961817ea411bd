/** How busy somebody is: a lane, or a model version on all of its lanes. A few additions a batch; read when somebody looks. */

/** Batches that begin and end, and what they tell of the need for another instance. */
export class Usage {
  /** Batches under way. */
  running = 0;
  /** Batches that ended while others waited and every lane was taken. */
  waits = 0;
  /** Told of each such batch, so that who can help does not have to look for it. */
  onWait: (() => void) | null = null;
  /** Most batches under way at once since `takePeak`. */
  #peak = 0;
  #endedUs = 0;
  /** Sum of the starting times of what runs: with their number it gives the time spent on them until any moment. */
  #startedUs = 0;

  /** A batch began. */
  began(nowUs: number): void {
    this.running++;
    this.#startedUs += nowUs;
    if (this.running > this.#peak) this.#peak = this.running;
  }

  /** A batch that began at `startedUs` has ended. @param waited whether others waited for it */
  ended(startedUs: number, nowUs: number, waited: boolean): void {
    this.running--;
    this.#startedUs -= startedUs;
    this.#endedUs += nowUs - startedUs;
    if (!waited) return;
    this.waits++;
    this.onWait?.();
  }

  /** Lane time taken until now, that of running batches included, microseconds. */
  busyUs(nowUs: number): number {
    return this.#endedUs + this.running * nowUs - this.#startedUs;
  }

  /** Most batches that were under way at once since the last call. */
  takePeak(): number {
    const peak = this.#peak;
    this.#peak = this.running;
    return peak;
  }
}
