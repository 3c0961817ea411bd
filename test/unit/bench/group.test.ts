import { tmpdir } from 'node:os';
import { describe, expect, it } from 'vitest';
import { processTree, signalTree, startGroup, treeBytes, treeCpuUs, untilReady } from '../../../bench/runner/group.ts';

const start = (script: string) =>
  startGroup({ program: 'bash', args: ['-c', script], env: process.env, cwd: tmpdir(), cores: '0' });
const later = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function until(what: () => boolean): Promise<void> {
  for (let i = 0; i < 200 && !what(); i++) await later(25);
  expect(what()).toBe(true);
}

describe('a server of several processes', () => {
  it('is measured with its grandchildren, and with those whose parent has ended', async () => {
    // The second bash ends at once: what it left behind belongs to the session alone.
    const group = start('bash -c "bash -c \'while :; do :; done\' & sleep 0.1"; sleep 60');
    try {
      await until(() => group.alive() && treeCpuUs(group.pid) > 300_000);
      // The first bash has become the sleep; the loop has no parent of ours any more.
      await until(() => processTree(group.pid).length === 2);
      const before = treeCpuUs(group.pid);
      await until(() => treeCpuUs(group.pid) > before);
      expect(treeBytes(group.pid)).toBeGreaterThan(500_000);
    } finally {
      await group.stop();
    }
  });

  it('uses nothing while it is halted, and goes on after that', async () => {
    const group = start('while :; do :; done & while :; do :; done');
    try {
      await until(() => treeCpuUs(group.pid) > 100_000);
      signalTree(group.pid, 'SIGSTOP');
      await later(50);
      const halted = treeCpuUs(group.pid);
      await later(300);
      expect(treeCpuUs(group.pid)).toBe(halted);
      signalTree(group.pid, 'SIGCONT');
      await until(() => treeCpuUs(group.pid) > halted);
    } finally {
      await group.stop();
    }
  });

  it('is gone as a whole when it is stopped, halted ones too', async () => {
    const group = start('trap "exit 0" TERM; sleep 100 & bash -c "sleep 100; :" & wait');
    await until(() => processTree(group.pid).length >= 4);
    const pids = processTree(group.pid);
    signalTree(group.pid, 'SIGSTOP');
    await group.stop();
    expect(pids.filter((pid) => processTree(pid).length > 0)).toEqual([]);
  });

  it('that ends before it answers is reported with what it printed', async () => {
    const group = start('echo no such model >&2; exit 3');
    await expect(untilReady(group, async () => false, 10_000)).rejects.toThrow(/ended: no such model/);
    await group.stop();
  });
});
