import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { followProcess } from '../support/server-process.ts';

const MAIN = fileURLToPath(new URL('../support/short-of-memory.ts', import.meta.url));

test.runIf(process.platform === 'linux')(
  'a decoder that gets no memory for a picture is the server’s fault, not the picture’s; with memory it is decoded',
  async () => {
    const { ended, output, errors } = followProcess(
      spawn(process.execPath, [MAIN], { stdio: ['ignore', 'pipe', 'pipe'] }),
    );
    expect(await ended, errors()).toEqual({ code: 0, signal: null });
    const formats = ['jpeg', 'png', 'webp'];
    const expected = ['OVERLOADED', 'decoded'].flatMap((code) => formats.map((format) => `${format} ${code}`));
    expect(output().trim().split('\n')).toEqual(expected);
  },
  60_000,
);
