/** `serve --supervise` whose models all run on worker threads. */

import { serve } from '../../src/cli/serve.ts';
import { supervise } from '../../src/cli/supervise.ts';

const args = process.argv.slice(3);
process.exitCode =
  process.send === undefined
    ? await supervise(args, new URL(import.meta.url))
    : await serve(args, { placement: 'worker' });
