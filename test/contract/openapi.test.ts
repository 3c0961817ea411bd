import { Validator } from '@seriousme/openapi-schema-validator';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openApiDocument } from '../../src/http/openapi.ts';
import { parsePath } from '../../src/http/path.ts';
import { NOT_OFFERED, ROUTES } from '../../src/http/routes.ts';
import { B, get, I, post, type Reply, type RunningGateway, send, startGateway } from '../support/gateway.ts';
import { asBody, seededPng } from '../support/picture-requests.ts';

interface Operation {
  readonly operationId: string;
  readonly parameters?: readonly { readonly name: string; readonly in: string }[];
  readonly requestBody?: { readonly content: Record<string, object> };
  readonly responses: Record<string, { content?: Record<string, { schema?: { $ref?: string } }> }>;
}

interface Described {
  readonly paths: Record<string, Record<string, Operation> & { 'x-penstock-listener': string }>;
  readonly components: { readonly schemas: Record<string, object> };
  readonly servers: readonly { readonly url: string }[];
}

let server: RunningGateway;
let described: Described;
let validators: Map<string, ValidateFunction>;

const DOCUMENT_ID = 'https://penstock.invalid/openapi';
const METHODS = ['get', 'head', 'post', 'put', 'patch', 'delete', 'options'];
const INFER = JSON.stringify({ inputs: [I('INPUT0', 'FP32', [1, 2], [1, 2])] });

beforeAll(async () => {
  server = await startGateway(['id_fp32', 'simple', 'pixels_mnist', 'broken']);
  described = (await get(`${server.v2}/openapi.json`)).json;
  const ajv = new Ajv2020({ strict: false });
  ajv.addSchema({ $id: DOCUMENT_ID, components: described.components });
  const names = Object.keys(described.components.schemas);
  validators = new Map(
    names.map((name) => [name, ajv.compile({ $ref: `${DOCUMENT_ID}#/components/schemas/${name}` })]),
  );
});

afterAll(async () => {
  await server.stop();
});

function conforms(schema: string, document: unknown): void {
  const validate = validators.get(schema) as ValidateFunction;
  validate(document);
  expect(validate.errors ?? []).toEqual([]);
}

/** Every operation of the document with a URL that it stands for. */
function operations(): { url: string; path: string; method: string; operation: Operation }[] {
  return Object.entries(described.paths).flatMap(([path, item]) => {
    const base = item['x-penstock-listener'] === 'admin' ? server.adminUrl : server.inferenceUrl;
    const url = base + path.replace('{model}', 'id_fp32').replace('{version}', '1');
    return METHODS.filter((method) => Object.hasOwn(item, method)).map((method) => {
      return { url, path, method, operation: item[method] as Operation };
    });
  });
}

describe('the OpenAPI document', () => {
  test('is valid OpenAPI 3.1', async () => {
    const validator = new Validator();
    const result = await validator.validate({ ...described });
    expect([result.valid, result.errors]).toEqual([true, undefined]);
    expect(validator.version).toBe('3.1');
  });

  test('would not be called valid if it were not', async () => {
    const broken = { ...described, paths: { v2: { get: { responses: 7 } } } };
    expect((await new Validator().validate(broken)).valid).toBe(false);
  });

  test('names each operation once', () => {
    const names = operations().map(({ operation }) => operation.operationId);
    expect(new Set(names).size).toBe(names.length);
  });

  test('has every operation answer 200, as the schema says', async () => {
    expect(operations().length).toBeGreaterThan(30);
    for (const { url, method, operation, path } of operations()) {
      const body = path.endsWith('/infer') ? INFER : undefined;
      const response = await fetch(url, { method: method.toUpperCase(), ...(body === undefined ? {} : { body }) });
      const text = await response.text();
      expect([method, path, response.status, text === '']).toEqual([method, path, 200, method === 'head']);
      const content = operation.responses[200]?.content;
      if (content === undefined) continue;
      const type = response.headers.get('content-type') ?? '';
      const schema = content[type.split(';')[0] as string]?.schema;
      expect([path, schema]).not.toEqual([path, undefined]);
      if (schema?.$ref !== undefined) conforms(schema.$ref.split('/').at(-1) as string, JSON.parse(text));
    }
  });

  test('says which pictures an inference takes, and what may be said of them', () => {
    for (const { path, operation } of operations().filter(({ path: own }) => own.endsWith('/infer'))) {
      const types = Object.keys(operation.requestBody?.content ?? {});
      expect([path, types]).toEqual([
        path,
        ['application/json', 'application/octet-stream', 'image/jpeg', 'image/png', 'image/webp'],
      ]);
      const query = (operation.parameters ?? []).filter((parameter) => parameter.in === 'query');
      expect(query.map(({ name }) => name)).toEqual(['classification', 'polarity']);
      expect(Object.keys(operation.responses[200]?.content ?? {})).not.toContain('image/png');
    }
  });

  test('leaves no method of its paths out: the others are 405, and Allow names those it has', async () => {
    for (const [path, item] of Object.entries(described.paths)) {
      const base = item['x-penstock-listener'] === 'admin' ? server.adminUrl : server.inferenceUrl;
      const url = base + path.replace('{model}', 'id_fp32').replace('{version}', '1');
      const has = METHODS.filter((method) => Object.hasOwn(item, method));
      for (const method of METHODS.filter((m) => !has.includes(m))) {
        const response = await fetch(url, { method: method.toUpperCase() });
        await response.text();
        expect([path, method, response.status]).toEqual([path, method, 405]);
        expect(response.headers.get('allow')?.toLowerCase()).toBe(has.join(', '));
      }
    }
  });

  test('has a path for every route that a path can lead to', () => {
    const led = Object.keys(described.paths).map((path) => parsePath(path).name);
    expect([...new Set(led)].sort()).toEqual(Object.keys(ROUTES).sort());
    // Paths that are known and not in the document are those that answer 501.
    const below = NOT_OFFERED.map((path) => parsePath(path.endsWith('/') ? `${path}x` : path).name);
    expect(new Set(below)).toEqual(new Set(['notOffered']));
  });

  test('says where the routes are when a path stands in front of them', () => {
    const { servers } = openApiDocument('1', '/inference') as Described;
    expect(servers).toEqual([{ url: '/inference' }]);
    expect(described.servers).toEqual([{ url: '/' }]);
  });
});

describe('the schemas hold for', () => {
  const infer = (body: string): Promise<Reply> => post(`${server.v2}/models/id_fp32/infer`, body);

  test('requests and answers of inference, in JSON and with binary data', async () => {
    const full = {
      id: 'a',
      parameters: { priority: 1, mine: 'x', none: null },
      inputs: [I('INPUT0', 'FP32', [1, 2], [[1, 2]])],
      outputs: [{ name: 'OUTPUT0', parameters: { binary_data: false } }],
    };
    const nulls = { id: null, parameters: null, outputs: null, model_name: 'x', inputs: [{ ...full.inputs[0] }] };
    for (const request of [full, nulls]) {
      conforms('InferenceRequest', request);
      conforms('InferenceResponse', (await infer(JSON.stringify(request))).json);
    }
    const binary = { inputs: [B('INPUT0', 'FP32', [1, 2], 8)], parameters: { binary_data_output: true } };
    conforms('InferenceRequest', binary);
    const reply = await post(`${server.v2}/models/id_fp32/infer`, binary, new Uint8Array(8));
    conforms('InferenceResponse', reply.json);
    expect(reply.tail).toHaveLength(8);
  });

  test('pictures in JSON and their answers', async () => {
    const { file } = await seededPng(28, 28, 1);
    const files = { name: 'image', datatype: 'BYTES', shape: [1], data: [file.toString('base64')] };
    const request = { inputs: [files], parameters: { classification: 2, polarity: 'light-on-dark' } };
    conforms('InferenceRequest', request);
    const asked = await post(`${server.v2}/models/pixels_mnist/infer`, request);
    const body = await asBody(`${server.v2}/models/pixels_mnist/infer`, file);
    for (const reply of [asked, body]) {
      expect(reply.status).toBe(200);
      conforms('InferenceResponse', reply.json);
    }
  });

  test('refusals, and what is refused does not conform', async () => {
    for (const request of [{ inputs: {} }, { inputs: [{ name: 'INPUT0' }] }, { id: 7, inputs: [] }, {}]) {
      expect(validators.get('InferenceRequest')?.(request)).toBe(false);
      const reply = await infer(JSON.stringify(request));
      expect(reply.status).toBe(400);
      conforms('Error', reply.json);
    }
  });

  test('an index with a model that failed', async () => {
    const reply = await send(`${server.v2}/repository/index`, Buffer.from('{"ready":false}'));
    conforms('RepositoryIndex', reply.json);
    expect(reply.json.some((item: { reason?: string }) => item.reason !== undefined)).toBe(true);
  });
});
