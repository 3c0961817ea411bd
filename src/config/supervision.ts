/** What a supervisor tells the server process that it starts: one environment variable, set by it alone. */

import { z } from 'zod';
import { ConfigError } from './error.ts';

/** Its name. No setting: nobody but `penstock serve --supervise` sets it. */
export const SUPERVISION_VARIABLE = 'PENSTOCK_SUPERVISION';

const refusedSchema = z.strictObject({ model: z.string(), version: z.string(), files: z.string(), cause: z.string() });

const supervisionSchema = z.strictObject({
  /** How often the server process died and was started again. */
  restarts: z.int().min(0),
  /** Of the last time: a signal's name or `exit N`; empty where it never died. */
  lastCause: z.string().max(32),
  /** Descriptor of the file that says what runs when the process dies. */
  marksFile: z.int().min(3),
  /** Versions that ended the process too often. */
  refused: z.array(refusedSchema),
});

/** A version that is not to be loaded while its files have this digest. `cause` is what it did to the process. */
export type RefusedVersion = Readonly<z.infer<typeof refusedSchema>>;

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
