import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { InferRoad } from '../../src/pipeline/infer.ts';
import { I, post, type RunningGateway, send, startGateway } from '../support/gateway.ts';

let named: RunningGateway;
let nameless: RunningGateway;
const opened = vi.spyOn(InferRoad.prototype, 'open');

beforeAll(async () => {
  named = await startGateway(['id_fp32'], [], { principal: (header) => ({ tenant: header('x-tenant') }) });
  nameless = await startGateway(['id_fp32']);
});

afterEach(() => opened.mockClear());

afterAll(async () => {
  opened.mockRestore();
  await named.stop();
  await nameless.stop();
});

const BODY = Buffer.from(JSON.stringify({ inputs: [I('INPUT0', 'FP32', [1, 1], [1])] }));
const ask = (server: RunningGateway, headers: Record<string, string>) =>
  send(`${server.v2}/models/id_fp32/infer`, BODY, headers);
const tenants = () => opened.mock.results.map(({ value }) => value.tenant);

describe('a request', () => {
  test('carries the tenant that its headers name, and not that of the one before it', async () => {
    for (const tenant of ['a', '', 'b']) {
      expect((await ask(named, tenant === '' ? {} : { 'X-Tenant': tenant })).status).toBe(200);
    }
    expect(tenants()).toEqual(['a', '', 'b']);
  });

  test('has no tenant where nobody tells who is calling, whatever its headers say', async () => {
    expect((await ask(nameless, { 'X-Tenant': 'a' })).status).toBe(200);
    expect(tenants()).toEqual(['']);
  });

  test('of a tenant whose name is too long is refused before anything is kept of it', async () => {
    expect((await ask(named, { 'X-Tenant': 'n'.repeat(128) })).status).toBe(200);
    const refused = await ask(named, { 'X-Tenant': 'n'.repeat(129) });
    expect([refused.status, refused.json]).toEqual([
      400,
      { error: 'the name of the tenant is longer than 128 characters' },
    ]);
    expect(tenants()).toEqual(['n'.repeat(128)]);
  });

  test('whose caller cannot be told fails alone', async () => {
    const faulty = await startGateway(['id_fp32'], [], {
      principal: (header) => {
        if (header('x-tenant') === 'bad') throw new Error('the directory of tenants at /secret is gone');
        return { tenant: 'good' };
      },
    });
    const failed = await ask(faulty, { 'X-Tenant': 'bad' });
    expect([failed.status, failed.headers.get('x-error-code')]).toEqual([500, 'INTERNAL']);
    expect(failed.json.error).not.toContain('secret');
    expect((await post(`${faulty.v2}/models/id_fp32/infer`, BODY.toString())).status).toBe(200);
    await faulty.stop();
  });
});
