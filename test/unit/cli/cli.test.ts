import { createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import { portHolder } from '../../../src/cli/port-holder.ts';
import { greeting } from '../../../src/cli/serve.ts';
import { SignalWatch } from '../../../src/cli/shutdown.ts';
import type { ModelVersion } from '../../../src/core/model.ts';

describe('signals', () => {
  it('drain first, are echoes within a second, and end it afterwards', () => {
    let now = 5_000;
    const watch = new SignalWatch(() => now);
    expect(watch.receive()).toBe('drain');
    now += 999;
    expect(watch.receive()).toBe('echo');
    now += 1;
    expect(watch.receive()).toBe('end');
  });
});

describe.runIf(process.platform === 'linux')('the holder of a port', () => {
  it('is named by its pid while it listens, and by nothing afterwards', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    expect(portHolder(port)).toMatch(new RegExp(`^pid ${process.pid} \\(`));
    await new Promise((resolve) => server.close(resolve));
    expect(portHolder(port)).toBe('');
  });
});

describe('the greeting', () => {
  const version = (model: string, state: ModelVersion['state'], reason = ''): ModelVersion => ({
    model,
    version: '2',
    state,
    reason,
    facts: null,
    target: -1,
  });
  const snapshot = (...versions: ModelVersion[]) => ({
    models: new Map(versions.map((v) => [v.model, { name: v.model, versions: [v] }])),
    settled: true,
  });

  it('shows what is broken and why, and a line to try for what is ready', () => {
    const text = greeting(snapshot(version('a', 'READY'), version('b', 'FAILED', 'no such file')), '/m', 'http://h:1');
    expect(text).toContain('1 of 2 model versions ready');
    expect(text).toContain('b version 2: FAILED (no such file)');
    expect(text).toContain('Try: curl http://h:1/v2/models/a\n');
  });

  it('offers the health route where nothing is ready', () => {
    expect(greeting(snapshot(), '/m', 'http://h:1')).toContain('curl http://h:1/v2/health/ready\n');
  });
});
