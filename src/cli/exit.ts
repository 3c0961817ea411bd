/** How commands end: exit codes as sysexits.h has them, and what counts as one signal. */

/** Exit codes. */
export const EXIT = {
  ok: 0,
  usage: 64,
  /** A file that was to be read is missing or wrong. */
  data: 65,
  /** Something the process needs is taken or missing: a port, a server. */
  unavailable: 69,
  /** A file could not be written. */
  cannotCreate: 73,
  /** It may go well another time: a load whose generator was held up. */
  again: 75,
  /** What answers does not speak the protocol. */
  protocol: 76,
  noPermission: 77,
  /** The configuration or the addon is wrong: starting again will not help. */
  config: 78,
  /** Ended by Ctrl-C, as shells have it. */
  interrupted: 130,
} as const;

/** Repeats of a signal within this time are the same Ctrl-C, seen by npm, the launcher and us. */
export const SAME_SIGNAL_MS = 1_000;
