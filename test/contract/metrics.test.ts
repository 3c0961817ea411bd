import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { describeConfig } from '../../src/config/schema.ts';
import { ERRORS } from '../../src/core/error.ts';
import { LIMITS } from '../../src/core/limit.ts';
import { B, I, post, type RunningGateway, startGateway } from '../support/gateway.ts';
import { metricValue, type ScrapedFamily, scrape } from '../support/scrape.ts';

/** Unit by the end of a name, as Prometheus' naming rules want it; what ends otherwise is a count. */
const UNITS = ['seconds', 'bytes', 'rows'];

function unitOf(name: string): string {
  if (name.endsWith('_rows_per_second')) return 'rows/s';
  const last = name.replace(/_total$/, '').split('_');
  return UNITS.find((unit) => last.includes(unit)) ?? '-';
}

function readmeRows(): string[] {
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
  const text = readme.split('<!-- metrics -->')[1]?.split('<!-- /metrics -->')[0] ?? '';
  return text.trim().split('\n').slice(2);
}

function rowOf({ name, type, help, labels }: ScrapedFamily): string {
  return `| \`${name}\` | ${type} | ${labels.join(', ') || '-'} | ${unitOf(name)} | ${help.replace(/\.$/, '')} |`;
}

/** Families once the collector has run: until then its histogram has no samples and so no labels. */
async function afterCollection(adminUrl: string): Promise<ScrapedFamily[]> {
  for (let i = 0; i < 200; i++) {
    const families = await scrape(adminUrl);
    if (families.some(({ name, series }) => name === 'nodejs_gc_duration_seconds' && series.length > 0))
      return families;
    Array.from({ length: 100_000 }, () => ({ garbage: i }));
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  throw new Error('the collector never ran');
}

/** Requests written at once. */
const PIPELINED = 100;

let server: RunningGateway;

beforeAll(async () => {
  const flags = ['--workers', '1', '--limits-json-depth', '5'];
  server = await startGateway(['simple', 'id_fp32', 'pixels_mnist', 'broken'], flags);
});
afterAll(() => server.stop());

const infer = (model: string, body: unknown) => post(`${server.v2}/models/${model}/infer`, body);
const row = new Array(16).fill(1);
const good = { inputs: ['INPUT0', 'INPUT1'].map((name) => I(name, 'INT32', [1, 16], row)) };
const limitCount = (limit: string) => metricValue(server.adminUrl, `penstock_limit_rejections_total{limit="${limit}"}`);

describe('README', () => {
  test('has every metric with its type, labels, unit and meaning, and no other', async () => {
    expect((await infer('simple', good)).status).toBe(200);
    const table = (await afterCollection(server.adminUrl)).map(rowOf);
    expect(readmeRows()).toEqual(table);
  });
});

describe('labels', () => {
  test('of the limits are every key of `limits` in the configuration, and those that are constants', async () => {
    const keys = describeConfig().flatMap(({ path }) => (path[0] === 'limits' ? [path[1] as string] : []));
    expect(LIMITS.slice(0, keys.length)).toEqual(keys);
    const family = (await scrape(server.adminUrl)).find(({ name }) => name === 'penstock_limit_rejections_total');
    expect(family?.series).toEqual(LIMITS.map((limit) => `penstock_limit_rejections_total{limit="${limit}"}`));
  });

  test('of the codes are the error table', async () => {
    const family = (await scrape(server.adminUrl)).find(({ name }) => name === 'penstock_rejections_total');
    expect(family?.series).toEqual(Object.keys(ERRORS).map((code) => `penstock_rejections_total{code="${code}"}`));
  });

  test('O8 cannot be made by asking for 100,000 models that do not exist', async () => {
    const { hostname, port } = new URL(server.inferenceUrl);
    const before = (await scrape(server.adminUrl)).flatMap(({ name, series }) =>
      name.startsWith('penstock_') ? series : [],
    );
    const socket = connect(Number(port), hostname).setEncoding('latin1');
    const said = socket[Symbol.asyncIterator]();
    const asked = 100_000;
    let answered = 0;
    let rest = '';
    // So many behind each other: who writes more than he reads is cut off.
    for (let i = 0; i < asked; i += PIPELINED) {
      const requests = Array.from({ length: PIPELINED }, (_, k) => {
        const path = k % 2 === 0 ? `made-up-${i + k}/infer` : `simple/versions/9${i + k}/infer`;
        return `POST /v2/models/${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n`;
      });
      socket.write(requests.join(''));
      while (answered < i + PIPELINED) {
        const { value, done } = await said.next();
        if (done) throw new Error(`closed after ${answered} answers`);
        // A status line may come in two pieces.
        const pieces = `${rest}${value}`.split('HTTP/1.1 404');
        answered += pieces.length - 1;
        rest = (pieces.at(-1) as string).slice(-11);
      }
    }
    socket.destroy();
    const after = (await scrape(server.adminUrl)).flatMap(({ name, series }) =>
      name.startsWith('penstock_') ? series : [],
    );
    expect(after).toEqual(before);
    expect(
      await metricValue(server.adminUrl, 'penstock_rejections_total{code="MODEL_NOT_FOUND"}'),
    ).toBeGreaterThanOrEqual(asked);
  });
});

describe('a refusal at a limit is counted under it:', () => {
  const deep = `{"x":${'['.repeat(9)}${']'.repeat(9)},"inputs":[]}`;
  const input = (name: string) => ({ name, datatype: 'FP32', shape: [1, 1], data: [1] });
  const floats = (width: number) =>
    post(
      `${server.v2}/models/id_fp32/infer`,
      { inputs: [B('INPUT0', 'FP32', [1, width], 4 * width)] },
      new Uint8Array(16),
    );

  test.each<[string, () => Promise<{ status: number }>, number]>([
    ['jsonDepth', () => infer('simple', deep), 400],
    ['inputs', () => infer('simple', { inputs: Array.from({ length: 1025 }, (_, i) => input(`x${i}`)) }), 400],
    ['skeletonBytes', () => infer('simple', { x: 'y'.repeat(1024 * 1024), inputs: [] }), 400],
    [
      'batchRows',
      () =>
        infer('simple', {
          inputs: ['INPUT0', 'INPUT1'].map((name) => I(name, 'INT32', [9, 16], Array(9).fill(row).flat())),
        }),
      400,
    ],
    ['controlBytes', () => post(`${server.v2}/repository/index`, ' '.repeat(65 * 1024)), 413],
  ])('%s', async (limit, ask, status) => {
    const before = await limitCount(limit);
    expect((await ask()).status).toBe(status);
    expect(await limitCount(limit)).toBe(before + 1);
  });

  test('and one that is about no limit is counted under none', async () => {
    const all = async () => {
      const counts = await Promise.all(LIMITS.map(limitCount));
      return counts.reduce((sum, count) => sum + count, 0);
    };
    const before = await all();
    expect((await floats(8)).status).toBe(400);
    expect((await infer('made-up', {})).status).toBe(404);
    expect(await all()).toBe(before);
  });
});

describe('what goes through a model is counted:', () => {
  test('heads known and unknown, bytes of bodies, rows', async () => {
    const at = (name: string, more = '') => metricValue(server.adminUrl, `${name}{model="id_fp32",version="1"${more}}`);
    const totalIn = () => metricValue(server.adminUrl, 'penstock_body_bytes_in_total');
    const head = JSON.stringify({
      inputs: [B('INPUT0', 'FP32', [1, 3], 12)],
      outputs: [{ name: 'OUTPUT0', parameters: { binary_data: true } }],
    });
    const [hits, misses, rows, bytes] = [
      await at('penstock_head_lookups_total', ',result="hit"'),
      await at('penstock_head_lookups_total', ',result="miss"'),
      await at('penstock_rows_total'),
      await totalIn(),
    ];
    for (let i = 0; i < 3; i++) {
      expect((await post(`${server.v2}/models/id_fp32/infer`, head, new Uint8Array(12))).status).toBe(200);
    }
    expect(await at('penstock_head_lookups_total', ',result="miss"')).toBe(misses + 1);
    expect(await at('penstock_head_lookups_total', ',result="hit"')).toBe(hits + 2);
    expect(await at('penstock_rows_total')).toBe(rows + 3);
    expect(await totalIn()).toBe(bytes + 3 * (head.length + 12));
  });
});
