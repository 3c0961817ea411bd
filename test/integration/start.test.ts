import { exec, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { describeConfig } from '../../src/config/schema.ts';
import { writeFixtures } from '../support/fixtures/write.ts';
import { get } from '../support/gateway.ts';
import { onFreePorts, type Served, serveProcess, untilReady } from '../support/server-process.ts';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const TOP_KEYS = [...new Set(describeConfig().map(({ path }) => path[0]))].join(', ');

const models = mkdtempSync(join(tmpdir(), 'penstock-start-'));

beforeAll(async () => {
  await writeFixtures(models, ['simple']);
});

afterAll(() => {
  rmSync(models, { recursive: true });
});

const serve = (...flags: string[]) => serveProcess(models, '--workers', '1', ...flags);

/** What the first group of `pattern` matches in what the server prints, once it has. */
async function printed(served: Served, pattern: RegExp): Promise<string> {
  for (let i = 0; i < 400; i++) {
    const found = pattern.exec(served.output());
    if (found) return found[1] as string;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error(`never printed ${pattern}: ${served.output()}`);
}

describe('a start and its output', () => {
  test('a server whose output nobody reads any more ends by its signal all the same', async () => {
    const served = await serve('--log-sample-every', '1');
    await untilReady(served.url);
    served.child.stdout?.pause();
    const refused = `${served.url}/${'x'.repeat(250)}`;
    for (let i = 0; i < 40; i++) await Promise.all(Array.from({ length: 50 }, () => get(refused)));
    served.child.kill('SIGTERM');
    // 'exit' and not 'close': its output is never read to the end.
    const [code, signal] = await once(served.child, 'exit');
    expect([code, signal]).toEqual([0, null]);
    served.child.stdout?.destroy();
  }, 30_000);

  test('a second server on the same port says that it is taken and by whom', async () => {
    const first = await serve();
    const port = new URL(first.url).port;
    const second = await serve('--port', port);
    expect((await second.ended).code).toBe(69);
    expect(second.errors()).toContain(`port ${port} on 127.0.0.1 is taken`);
    expect(second.errors()).toMatch(new RegExp(`by process ${first.child.pid} \\(.*main\\.ts serve`));
    first.child.kill('SIGTERM');
    await first.ended;
  }, 30_000);

  test('a taken admin port is refused too, and the inference port is let go', async () => {
    const first = await serve();
    const port = new URL(first.adminUrl).port;
    const second = await serve('--admin-port', port);
    expect((await second.ended).code).toBe(69);
    expect(second.output()).toContain(`port ${port} on 127.0.0.1 is taken`);
    expect(second.output()).toContain(String(first.child.pid));
    first.child.kill('SIGTERM');
    await first.ended;
  }, 30_000);

  test('the curl line that start prints works as it stands', async () => {
    const served = await serveProcess('models', '--workers', '1');
    await untilReady(served.url);
    const line = await printed(served, /try: (curl .+)/);
    const { stdout } = await promisify(exec)(line);
    expect(JSON.parse(stdout).outputs[0]).toMatchObject({ name: 'probabilities', shape: [1, 10] });
    served.child.kill('SIGTERM');
    expect(await served.ended).toEqual({ code: 0, signal: null });
  }, 30_000);

  test('a models folder that is not there is said, and the process stays live and not ready', async () => {
    const served = await serveProcess(join(models, 'nowhere'), '--workers', '1');
    await printed(served, /(cannot be read)/);
    expect((await get(`${served.url}/v2/health/live`)).status).toBe(200);
    expect((await get(`${served.url}/v2/health/ready`)).status).toBe(503);
    served.child.kill('SIGTERM');
    expect(await served.ended).toEqual({ code: 0, signal: null });
  }, 30_000);

  test('W7 a missing addon is exit 78 with the command that builds it', async () => {
    const root = fileURLToPath(new URL('../..', import.meta.url));
    const bare = join(models, '..', `${basename(models)}-bare`);
    for (const name of ['src', 'package.json']) cpSync(join(root, name), join(bare, name), { recursive: true });
    symlinkSync(join(root, 'node_modules'), join(bare, 'node_modules'));
    const args = [join(bare, 'src/main.ts'), 'serve', ...onFreePorts(models)];
    const found = spawnSync(process.execPath, args, { encoding: 'utf8' });
    rmSync(bare, { recursive: true });
    expect(found.status).toBe(78);
    expect(found.stderr).toContain('build it with: node bin/penstock.mjs build-addon');
  }, 30_000);

  test('check lists every mistake of file, environment and flags at once: place, expected and found', () => {
    const file = join(models, 'mistaken.yaml');
    writeFileSync(file, 'prot: 1\nlimits:\n  jsonDepth: deep\n  bodyBytes: 5\nlog: { level: loud }\n');
    const env = { ...process.env, PENSTOCK_WORKERS: 'many', PENSTOCK_NONSENSE: '1' };
    const args = [MAIN, 'check', '--config', file, '--port', '70000', '--bogus', 'x'];
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', env });
    expect([status, stdout]).toEqual([78, '']);
    expect(stderr.trimEnd().split('\n').sort()).toEqual(
      [
        '--bogus: unknown flag; every setting is listed by: penstock check --list',
        '--port: port: expected at most 65535, found 70000',
        'PENSTOCK_NONSENSE: unknown environment variable; every setting is listed by: penstock check --list',
        'PENSTOCK_WORKERS: workers: expected a whole number, found "many"',
        `${file}:1:1: unknown key 'prot'; expected one of ${TOP_KEYS}`,
        `${file}:3:3: limits.jsonDepth: expected a whole number, found "deep"`,
        `${file}:4:3: limits.bodyBytes: expected at least 1024, found 5`,
        `${file}:5:8: log.level: expected debug or info or warn or error or silent, found "loud"`,
      ].sort(),
    );
  });

  test('check lists what is wrong with the models: what model.yaml says, and where it does not agree with the model', async () => {
    const folder = join(models, '..', `${basename(models)}-mistaken`);
    await writeFixtures(folder, ['simple', 'pixels_mnist', 'pixels_imagenet']);
    writeFileSync(join(folder, 'simple/model.yaml'), 'maxRows: 8\n');
    writeFileSync(join(folder, 'pixels_mnist/model.yaml'), 'preprocess: { input: image, image: {} }\n');
    const found = spawnSync(process.execPath, [MAIN, 'check', '--models', folder], { encoding: 'utf8' });
    rmSync(folder, { recursive: true });
    expect([found.status, found.stdout]).toEqual([78, '']);
    const lines = found.stderr.trimEnd().split('\n');
    expect(lines).toHaveLength(2);
    expect(lines[0]).toBe(
      "pixels_mnist/model.yaml: preprocess.image.color: expected GRAY, found RGB; the input is 'image', FP32 [-1, 1, 28, 28] (version 1)",
    );
    expect(lines[1]).toContain("simple/model.yaml:1:1: unknown key 'maxRows'");
  }, 30_000);

  test('a mistaken setting is exit 78 with its name', async () => {
    const served = await serve('--limits-body-bytes', 'many');
    expect((await served.ended).code).toBe(78);
    expect(served.output()).toContain('limits-body-bytes');
  }, 30_000);
});
