import { createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import { portHolder } from '../../../src/cli/port-holder.ts';

describe.runIf(process.platform === 'linux')('the holder of a port', () => {
  it('is named by its pid while it listens, and by nothing afterwards', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    expect(portHolder(port)).toMatch(new RegExp(`^process ${process.pid} \\(`));
    await new Promise((resolve) => server.close(resolve));
    expect(portHolder(port)).toBe('');
  });
});
