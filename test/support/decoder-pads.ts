/** What a picture is padded with for `dying-decoder.ts` to do something else than decode it. */

/** By what it does. */
export const PADS = {
  exits: 201,
  throws: 202,
  throwsOutside: 203,
  exhaustsHeap: 204,
  waits: 205,
  throwsLater: 206,
  exitsLater: 207,
} as const;
