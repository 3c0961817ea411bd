/** The version of the package, for what names itself: the server and its load tool. */

import { readFileSync } from 'node:fs';

/** As package.json has it, from sources and from a build. */
export function packageVersion(): string {
  const up = import.meta.url.includes('/dist/') ? '../../../package.json' : '../../package.json';
  return (JSON.parse(readFileSync(new URL(up, import.meta.url), 'utf8')) as { version: string }).version;
}
