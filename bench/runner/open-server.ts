/** Servers under open loop: started on the cores of a layout, with the generator on its own, for as long as they are used. */

import type { LoadFigures } from '../../src/load/figures.ts';
import { untilAnswered } from '../http/loads.ts';
import { ourServer } from '../http/models.ts';
import { type Layout, layoutOf } from './layout.ts';
import { OpenGenerator } from './open-generator.ts';
import { type Server, startServer } from './process.ts';
import type { Effort } from './scenario.ts';
import { connectionsFor } from './steady.ts';
import type { Load } from './wrk.ts';

/** Before the first slice is counted: code is compiled and curves are learned, seconds. */
export const WARM_S = 2;

/** A slice whose generator was held up says nothing of the server: it is sent again, so often in all. */
const MOST_TRIES = 4;

/** Who takes part. */
export interface OpenBench {
  readonly layout: Layout;
  readonly generator: OpenGenerator;
}

/** A generator for as long as `use` takes. */
export async function withGenerator<T>(effort: Effort, use: (bench: OpenBench) => Promise<T>): Promise<T> {
  const layout = layoutOf(effort.layout);
  const generator = new OpenGenerator(layout.load);
  try {
    return await use({ layout, generator });
  } finally {
    await generator.stop();
  }
}

/** A server that answers `load`, on the layout's cores. @param args of node; ours as users run it unless said */
export async function openServer(
  { layout }: OpenBench,
  models: string,
  load: Load,
  args: readonly string[] = ourServer(models, { workers: layout.instances }),
): Promise<Server> {
  const server = await startServer(args, layout.server);
  try {
    await untilAnswered(server.url, load, isServed);
    return server;
  } catch (error) {
    await server.stop();
    throw error;
  }
}

/** A model with a tight target may be too slow for one request alone, with nothing in the caches. It serves all the same. */
function isServed(status: number): boolean {
  return status === 200 || status === 504;
}

/** A slice of open loop at a rate, for so many seconds. */
export type OpenSlice = (rate: number, seconds?: number) => Promise<LoadFigures>;

/**
 * Slices against one server, each with a seed of its own; void ones are sent again.
 * @param most highest rate that is coming, requests per second: what connections are enough for
 */
export function sliceOf(
  { generator }: OpenBench,
  url: string,
  load: Load,
  { deadlineMs, most }: { readonly deadlineMs: number; readonly most: number },
  effort: Effort,
): OpenSlice {
  const connections = connectionsFor(most, deadlineMs);
  let seed = 0;
  return async (rate, seconds = effort.sliceS) => {
    for (let tries = 1; ; tries++) {
      const [sent] = await generator.run({ url, load, rate, seconds, deadlineMs, connections, seed: ++seed });
      if (sent === undefined) throw new Error('the generator sent nothing');
      if (sent.figures.generator.void === '' || tries === MOST_TRIES) return sent.figures;
    }
  };
}
