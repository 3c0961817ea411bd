/** A server in a stopped process: it accepts nothing, and once its short queue is full connections to it stay half open. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Origin } from '../../src/load/figures.ts';

const SCRIPT = `
const server = require('node:net').createServer();
server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => process.stdout.write(String(server.address().port)));
process.stdin.on('end', () => process.exit()).resume();
`;

/** Starts it on a free port of the loopback; disposing of it ends the process. */
export async function deafServer(): Promise<AsyncDisposable & { readonly origin: Origin }> {
  const child = spawn(process.execPath, ['-e', SCRIPT], { stdio: ['pipe', 'pipe', 'inherit'] });
  const [port] = (await once(child.stdout, 'data')) as [Buffer];
  child.kill('SIGSTOP');
  const stop = async () => {
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  };
  return { origin: { host: '127.0.0.1', port: Number(port) }, [Symbol.asyncDispose]: stop };
}
