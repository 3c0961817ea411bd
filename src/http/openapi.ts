/**
 * `GET /v2/openapi.json`: the routes of the one table as an OpenAPI 3.1 document. What each route takes and gives is said
 * here; which routes there are is said by the table alone.
 */

import { ERRORS } from '../core/error.ts';
import { PICTURE_TYPES } from './media-type.ts';
import { MODEL_PATH, ROUTES, type RouteName, type RouteSpec, VERSION_PATH } from './routes.ts';
import { SCHEMAS, type SchemaName } from './schemas.ts';

/** What a route takes and gives besides its path. */
interface Content {
  /** Of its 200; a media type other than JSON is plain text. */
  readonly answer: SchemaName | 'text/plain' | 'document';
  readonly request?: SchemaName;
  /** Whether the request must have a body. */
  readonly required?: boolean;
}

const CONTENTS: Readonly<Record<RouteName, Content>> = {
  server: { answer: 'ServerMetadata' },
  live: { answer: 'Live' },
  ready: { answer: 'Ready' },
  openapi: { answer: 'document' },
  models: { answer: 'ModelList' },
  allStatistics: { answer: 'Statistics' },
  repositoryIndex: { answer: 'RepositoryIndex', request: 'RepositoryIndexRequest' },
  model: { answer: 'ModelMetadata' },
  modelReady: { answer: 'ModelReady' },
  modelConfig: { answer: 'ModelConfig' },
  modelStatistics: { answer: 'Statistics' },
  scheduler: { answer: 'Scheduler' },
  capacity: { answer: 'Capacity' },
  infer: { answer: 'InferenceResponse', request: 'InferenceRequest', required: true },
  systemSharedMemory: { answer: 'SharedMemoryStatus' },
  cudaSharedMemory: { answer: 'SharedMemoryStatus' },
  metrics: { answer: 'text/plain' },
  debug: { answer: 'document' },
};

/** What the URL of an inference request may say of a picture in its body. */
const INFER_QUERY: readonly (readonly [string, object, string])[] = [
  ['classification', { type: 'integer', minimum: 1 }, 'Most classes answered, in place of what the model declares'],
  [
    'polarity',
    { type: 'string', enum: ['dark-on-light', 'light-on-dark'] },
    'How the picture is drawn, for models that declare a polarity',
  ],
];

/** Headers of an inference request that change what is done. */
const INFER_HEADERS: readonly (readonly [string, object, string])[] = [
  ['Inference-Header-Content-Length', { type: 'integer', minimum: 0 }, 'Bytes of JSON before the binary tensor data'],
  [
    'X-Request-Timeout-Ms',
    { type: 'integer', minimum: 0 },
    'Deadline from the first byte; the shortest one given holds, a malformed one is passed over',
  ],
  ['x-envoy-expected-rq-timeout-ms', { type: 'integer', minimum: 0 }, 'The same, as Envoy says it'],
  ['grpc-timeout', { type: 'string', pattern: '^[0-9]{1,8}[HMSmun]$' }, 'The same, as gRPC says it'],
  ['X-Request-Id', { type: 'string', maxLength: 128 }, 'Given back, and in the log'],
  ['traceparent', { type: 'string' }, 'W3C Trace Context, continued in the answer'],
];

const INFER_PARAMETERS = [...parametersIn('query', INFER_QUERY), ...parametersIn('header', INFER_HEADERS)];

/**
 * The document.
 * @param version of the server. @param basePath what stands in front of every route.
 */
export function openApiDocument(version: string, basePath: string): unknown {
  const paths: Record<string, unknown> = {};
  for (const [name, spec] of Object.entries(ROUTES) as [RouteName, RouteSpec][]) {
    paths[spec.path] = pathItem(name, spec, '');
    if (!spec.path.startsWith(MODEL_PATH)) continue;
    paths[VERSION_PATH + spec.path.slice(MODEL_PATH.length)] = pathItem(name, spec, 'Version');
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Penstock',
      version,
      summary: 'Open Inference Protocol in front of ONNX Runtime',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: basePath === '' ? '/' : basePath }],
    paths,
    components: { schemas: SCHEMAS, responses: { Error: errorResponse() } },
  };
}

function pathItem(name: RouteName, spec: RouteSpec, suffix: string): unknown {
  const operations = spec.methods.map((method) => [method.toLowerCase(), operation(name, spec, method, suffix)]);
  const inPath = [...(spec.path.startsWith(MODEL_PATH) ? ['model'] : []), ...(suffix === '' ? [] : ['version'])];
  const parameters = inPath.map((part) => ({ name: part, in: 'path', required: true, schema: { type: 'string' } }));
  return {
    ...(parameters.length > 0 ? { parameters } : {}),
    ...Object.fromEntries(operations),
    // Where it answers: the two listeners have ports of their own.
    'x-penstock-listener': spec.listener,
  };
}

function operation(name: RouteName, spec: RouteSpec, method: string, suffix: string): unknown {
  const { answer, request, required = false } = CONTENTS[name];
  const ok = method === 'HEAD' ? {} : { content: contentOf(name, answer) };
  return {
    operationId: `${name}${suffix}${method === 'HEAD' ? 'Head' : ''}`,
    summary: spec.summary,
    ...(name === 'infer' ? { parameters: INFER_PARAMETERS } : {}),
    ...(request === undefined ? {} : { requestBody: { required, content: requestContent(name, request) } }),
    responses: { 200: { description: 'OK', ...ok }, default: { $ref: '#/components/responses/Error' } },
  };
}

/** Pictures come as they are, to models that take them. */
function requestContent(name: RouteName, schema: Content['answer']): unknown {
  const pictures = name === 'infer' ? PICTURE_TYPES.map((type) => [type, {}]) : [];
  return { ...(contentOf(name, schema) as object), ...Object.fromEntries(pictures) };
}

function contentOf(name: RouteName, schema: Content['answer']): unknown {
  if (schema === 'text/plain') return { 'text/plain': { schema: { type: 'string' } } };
  if (schema === 'document') return { 'application/json': { schema: { type: 'object' } } };
  const json = { 'application/json': { schema: { $ref: `#/components/schemas/${schema}` } } };
  // The binary tensor data extension: JSON, then the tensors' bytes.
  return name === 'infer' ? { ...json, 'application/octet-stream': {} } : json;
}

function parametersIn(place: 'header' | 'query', parameters: typeof INFER_HEADERS): unknown[] {
  return parameters.map(([name, schema, description]) => ({ name, in: place, required: false, description, schema }));
}

function errorResponse(): unknown {
  const code = { description: 'Stable code of the error', schema: { type: 'string', enum: Object.keys(ERRORS) } };
  return {
    description: 'Any failure: one sentence, its code in a header',
    headers: {
      'X-Error-Code': code,
      'X-Request-Id': { schema: { type: 'string' } },
      'Retry-After': { description: 'Whole seconds, with 408, 429 and 503', schema: { type: 'integer', minimum: 1 } },
      'retry-after-ms': {
        description: 'The same moment in milliseconds, where it was computed',
        schema: { type: 'integer', minimum: 1 },
      },
    },
    content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } },
  };
}
