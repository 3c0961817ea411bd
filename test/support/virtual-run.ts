/** Plays a schedule on virtual time against servers of given service times: what the arrivals waited. */

import type { ArrivalTimes } from '../../src/load/arrivals.ts';
import { NONE } from '../../src/load/chains.ts';
import { Schedule } from '../../src/load/schedule.ts';

/** Times given one by one, and none after them. */
export function given(times: readonly number[]): ArrivalTimes {
  let at = 0;
  return { next: () => times[at++] ?? Number.POSITIVE_INFINITY };
}

/**
 * One connection per server, all open; every request takes what `service` says, microseconds.
 * @param seen called for each request when it is sent, in order of sending
 */
export function play(
  times: ArrivalTimes,
  connections: number,
  service: () => number,
  seen: (waitUs: number, serviceUs: number) => void,
  endUs = Number.POSITIVE_INFINITY,
): void {
  const schedule = new Schedule(times, connections, endUs);
  const endsUs = new Float64Array(connections).fill(Number.POSITIVE_INFINITY);
  for (let c = 0; c < connections; c++) schedule.opened(c, 0);
  while (!schedule.exhausted || schedule.inFlight > 0) {
    const nowUs = Math.min(schedule.nextUs(), least(endsUs));
    for (let c = 0; c < connections; c++) {
      if ((endsUs[c] as number) > nowUs) continue;
      endsUs[c] = Number.POSITIVE_INFINITY;
      schedule.ended(c, nowUs, 'kept');
    }
    for (let c = schedule.due(nowUs); c !== NONE; c = schedule.due(nowUs)) {
      const serviceUs = service();
      endsUs[c] = nowUs + serviceUs;
      seen(schedule.readyUs(c) - schedule.intendedUs(c), serviceUs);
    }
  }
}

function least(times: Float64Array): number {
  let found = Number.POSITIVE_INFINITY;
  for (const us of times) if (us < found) found = us;
  return found;
}
