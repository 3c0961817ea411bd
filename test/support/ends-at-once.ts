/** A supervisor whose child ends with 1 as soon as it starts. */

import { supervise } from '../../src/cli/supervise.ts';

if (process.send === undefined) process.exitCode = await supervise(process.argv.slice(3), new URL(import.meta.url));
else process.exitCode = 1;
