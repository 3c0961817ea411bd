/** A gateway whose time stands still but for what its runs take: what hangs on time can be told to the microsecond. */

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RunRequest, RunResult } from '../../src/core/instance.ts';
import { InlineLane } from '../../src/workers/inline.ts';
import { writeFixtures } from './fixtures/write.ts';
import { type RunningGateway, startGatewayOn } from './gateway.ts';
import { knownCurve } from './known-curve.ts';

/** What the scheduler believes of every batch, microseconds. */
export const BELIEVED_US = 10_000;

/** The time, and how the one lane spends it. */
export class OwnTime {
  #nowUs = 1_000_000;
  /** What every run takes from now on. */
  takesUs = 0;
  #gate: Promise<void> = Promise.resolve();

  nowUs(): number {
    return this.#nowUs;
  }

  /** Runs that begin from now on end only after the function returned has been called. */
  hold(): () => void {
    let release = (): void => undefined;
    this.#gate = new Promise((resolve) => {
      release = resolve;
    });
    return release;
  }

  /** A run ends: nothing else happens between that and the time at which it does. */
  async spend(run: Promise<RunResult>): Promise<RunResult> {
    await this.#gate;
    const result = await run;
    this.#nowUs += this.takesUs;
    return result;
  }
}

class TimedLane extends InlineLane {
  readonly #time: OwnTime;

  constructor(arena: SharedArrayBuffer, time: OwnTime) {
    super(arena);
    this.#time = time;
  }

  override run(request: RunRequest): Promise<RunResult> {
    return this.#time.spend(super.run(request));
  }
}

/** Starts one over a fixture model with this model.yaml. @param us what the scheduler believes of a batch */
export async function startInOwnTime(
  model: string,
  policy: string,
  time: OwnTime,
  us: (rows: number) => number = () => BELIEVED_US,
): Promise<RunningGateway> {
  const models = await mkdtemp(join(tmpdir(), 'penstock-own-time-'));
  await writeFixtures(models, [model]);
  await writeFile(join(models, model, 'model.yaml'), policy);
  const options = {
    clock: time,
    placement: 'inline' as const,
    curve: () => knownCurve(us),
    inlineLane: ({ buffer }: { buffer: SharedArrayBuffer }) => new TimedLane(buffer, time),
  };
  return startGatewayOn(models, ['--workers', '1'], options, () => rm(models, { recursive: true }));
}
