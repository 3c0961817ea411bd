/** `penstock check`: the effective configuration, or every mistake in it and in the models at once; `--list` shows all that can be set. */

import { ConfigError } from '../config/error.ts';
import { loadConfig } from '../config/load.ts';
import { describeConfig } from '../config/schema.ts';
import { modelMistakes } from './check-models.ts';
import { EXIT } from './exit.ts';

/** Prints the configuration as JSON. @returns the exit code: 0, or 78 where it has mistakes */
export async function check(args: readonly string[]): Promise<number> {
  if (args.includes('--list')) {
    const lines = describeConfig().map(
      (s) => `${s.key}  ${s.flag}  ${s.env}\n    ${s.description} (default: ${s.default})\n`,
    );
    process.stdout.write(lines.join(''));
    return EXIT.ok;
  }
  try {
    const config = loadConfig({ args, env: process.env });
    const mistakes = await modelMistakes(config.models);
    if (mistakes.length > 0) throw new ConfigError(mistakes);
    process.stdout.write(`${JSON.stringify(config, null, 2)}\n`);
    return EXIT.ok;
  } catch (error) {
    return reportMistakes(error);
  }
}

/** One line per mistake on standard error. @throws what is no ConfigError */
export function reportMistakes(error: unknown): number {
  if (!(error instanceof ConfigError)) throw error;
  for (const mistake of error.mistakes) process.stderr.write(`${mistake}\n`);
  return EXIT.config;
}
