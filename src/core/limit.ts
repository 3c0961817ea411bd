/** The limits a caller can run into, by name: the labels of the rejection counters, and nothing else makes a label. */

/** The keys of the configuration's `limits` (a test holds them equal), then those that are constants beside what they bound. */
export const LIMITS = [
  'bodyBytes',
  'bodyStallS',
  'bodyBytesPerS',
  'bodyTimeS',
  'gatherBytes',
  'jsonDepth',
  'headerBytes',
  'connections',
  'queueRows',
  'queueBytes',
  'arenaBytes',
  'imagePixels',
  'imageFrames',
  'imageBytes',
  'imageQueueBytes',
  'chunks',
  'controlBytes',
  'skeletonBytes',
  'skeletonValues',
  'outputs',
  'rank',
  'pathBytes',
  'inputs',
  'batchRows',
  'imagesWaiting',
  'images',
  'answers',
] as const;

/** Name of a limit. */
export type Limit = (typeof LIMITS)[number];
