/** A pace that nobody ever has to wait for, and that counts the steps. */

import { Pace } from '../../src/core/pace.ts';

/** How many steps were made by it. */
export class CountingPace extends Pace {
  steps = 0;

  constructor() {
    super({ nowUs: () => 0 });
  }

  override over(): boolean {
    this.steps++;
    return super.over();
  }
}
