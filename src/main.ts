/** Entry of the process: the first argument names a command, the rest is that command's. */

import { bench } from './cli/bench.ts';
import { check } from './cli/check.ts';
import { EXIT } from './cli/exit.ts';
import { serve } from './cli/serve.ts';

const COMMANDS: Readonly<Record<string, (args: readonly string[]) => Promise<number>>> = { serve, check, bench };

const [name = 'serve', ...args] = process.argv.slice(2);
const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;

if (command === undefined) {
  process.stderr.write(`penstock: unknown command '${name}'; there are ${Object.keys(COMMANDS).join(', ')}\n`);
  process.exitCode = EXIT.usage;
} else {
  process.exitCode = await command(args);
}
