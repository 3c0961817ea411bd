/** What a supervisor tells the server process that it starts: one environment variable, set by it alone. */

import { z } from 'zod';
import { ConfigError } from './error.ts';

/** Its name. No setting: nobody but `penstock serve --supervise` sets it. */
export const SUPERVISION_VARIABLE = 'PENSTOCK_SUPERVISION';

const supervisionSchema = z.strictObject({
  /** How often the server process died and was started again. */
  restarts: z.int().min(0),
  /** Of the last time: a signal's name or `exit N`; empty where it never died. */
  lastCause: z.string().max(32),
});

/** The supervisor's word on what was before this process. */
export type Supervision = Readonly<z.infer<typeof supervisionSchema>>;

/**
 * Reads the variable; null where no supervisor started this process.
 * @throws {ConfigError} where somebody else has set it
 */
export function readSupervision(env: Readonly<Record<string, string | undefined>>): Supervision | null {
  const text = env[SUPERVISION_VARIABLE];
  if (text === undefined) return null;
  try {
    return Object.freeze(supervisionSchema.parse(JSON.parse(text)));
  } catch {
    throw new ConfigError([`${SUPERVISION_VARIABLE}: only 'penstock serve --supervise' sets this variable`]);
  }
}
