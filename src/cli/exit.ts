/** Exit codes, as sysexits.h has them. */
export const EXIT = {
  ok: 0,
  usage: 64,
  /** Something the process needs is taken or missing: a port. */
  unavailable: 69,
  /** The configuration or the addon is wrong: starting again will not help. */
  config: 78,
} as const;
