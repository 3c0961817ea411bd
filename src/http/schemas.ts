/** JSON Schemas (2020-12) of what the routes take and give, for the OpenAPI document. Tests hold real answers to them. */

import { DATATYPES } from '../core/datatype.ts';

const text = { type: 'string' };
const whole = { type: 'integer', minimum: 0 };
const amount = { type: 'number', minimum: 0 };
const dims = { type: 'array', items: { type: 'integer' } };
const parameters = {
  type: ['object', 'null'],
  additionalProperties: { type: ['string', 'number', 'boolean', 'null'] },
};

/** Those of a request that mean something here. */
const requestParameters = {
  timeout: {
    type: ['integer', 'null'],
    minimum: 0,
    description: 'Deadline, microseconds from the first byte; 0 = none',
  },
  priority: {
    type: ['integer', 'null'],
    minimum: 0,
    description: 'Class: 1 is served first, 2 is normal (so are 0 and none), 3 and above comes last',
  },
  binary_data_output: { type: ['boolean', 'null'], description: 'Outputs are binary where the request lists none' },
  classification: {
    type: ['integer', 'null'],
    minimum: 1,
    description:
      'With pictures, where the request lists no outputs: most classes answered, in place of what is declared',
  },
  polarity: {
    enum: ['dark-on-light', 'light-on-dark', null],
    description: 'With pictures: how they are drawn, for models that declare a polarity',
  },
};

/** An object of these members: all of them required, or those named. */
function object(properties: Readonly<Record<string, object>>, required = Object.keys(properties)): object {
  return { type: 'object', properties, required };
}

/** The same, and no others. */
function exactly(properties: Readonly<Record<string, object>>, required?: string[]): object {
  return { ...object(properties, required), additionalProperties: false };
}

function listOf(items: object): object {
  return { type: 'array', items };
}

function ref(name: string): object {
  return { $ref: `#/components/schemas/${name}` };
}

const DURATIONS = ['compute_input', 'compute_infer', 'compute_output'];
const durations = (names: readonly string[]) => Object.fromEntries(names.map((name) => [name, ref('Duration')]));

const target = { targetMs: amount, targetSource: { enum: ['slo', 'callers', 'measured'] } };
const rates = { capacityRowsPerS: amount, offeredRowsPerS: amount, servedRowsPerS: amount };

/** All of them by name. */
export const SCHEMAS = {
  Error: exactly({ error: text }),
  Live: exactly({ live: { const: true } }),
  Ready: exactly({ live: { const: true }, ready: { const: true } }),
  ServerMetadata: exactly({ name: text, version: text, extensions: listOf(text) }),
  ModelList: exactly({ models: listOf(text) }),
  Datatype: { type: 'string', enum: DATATYPES.map(({ name }) => name) },
  TensorMetadata: exactly({ name: text, datatype: ref('Datatype'), shape: dims }),
  ModelMetadata: exactly({
    name: text,
    versions: listOf(text),
    platform: text,
    inputs: listOf(ref('TensorMetadata')),
    outputs: listOf(ref('TensorMetadata')),
  }),
  ModelReady: exactly({ name: text, ready: { const: true } }),
  ConfigTensor: object({ name: text, data_type: { type: 'string', pattern: '^TYPE_' }, dims }),
  ModelConfig: object({
    name: text,
    platform: text,
    backend: text,
    max_batch_size: whole,
    input: listOf(ref('ConfigTensor')),
    output: listOf(ref('ConfigTensor')),
  }),
  Duration: exactly({ count: whole, ns: whole }),
  Statistics: exactly({
    model_stats: listOf(
      exactly({
        name: text,
        version: text,
        last_inference: { ...whole, description: 'Unix time in milliseconds; 0 = never' },
        inference_count: { ...whole, description: 'Rows' },
        execution_count: { ...whole, description: 'Batches' },
        inference_stats: exactly(durations(['success', 'fail', 'queue', ...DURATIONS, 'cache_hit', 'cache_miss'])),
        response_stats: { type: 'object' },
        batch_stats: listOf(exactly({ batch_size: whole, ...durations(DURATIONS) })),
        memory_usage: { type: 'array' },
      }),
    ),
  }),
  Scheduler: exactly({
    name: text,
    version: text,
    ...target,
    batchRows: { ...whole, description: 'Most rows of a batch now' },
    kneeRows: { ...whole, description: 'Smallest batch beyond which rows per second hardly grow, whatever the target' },
    guardRatio: { ...amount, description: 'What predictions are stretched by: 0.1 is a tenth longer' },
    guardSaturated: { type: 'boolean', description: 'Whether that is at its bound' },
    ...rates,
    placement: { enum: ['inline', 'worker'] },
    instances: exactly({ min: whole, max: whole, running: whole }),
    lanes: listOf(whole),
    queue: exactly({
      requests: whole,
      rows: whole,
      waiting: listOf(exactly({ priority: whole, tenant: text, requests: whole, rows: whole, oldestMs: amount })),
    }),
    requests: exactly({ admitted: whole, displaced: whole, refused: whole, impossible: whole, late: whole }),
    speedShifts: { ...whole, description: 'Sudden changes of speed noticed so far' },
    curve: listOf(exactly({ rows: whole, ms: amount, batches: whole })),
    decisions: listOf(exactly({ agoMs: amount, what: text })),
  }),
  Capacity: exactly({
    models: listOf(exactly({ name: text, version: text, ...target, ...rates, headroomRowsPerS: amount })),
  }),
  RepositoryIndexRequest: object({ ready: { type: ['boolean', 'null'] } }, []),
  RepositoryIndex: listOf(
    exactly(
      { name: text, version: text, state: { enum: ['READY', 'UNAVAILABLE', 'LOADING', 'UNLOADING'] }, reason: text },
      ['name', 'version', 'state'],
    ),
  ),
  RequestInput: object(
    { name: text, shape: dims, datatype: ref('Datatype'), parameters, data: { type: ['array', 'null'] } },
    ['name', 'shape', 'datatype'],
  ),
  RequestOutput: object({ name: text, parameters }, ['name']),
  InferenceRequest: object(
    {
      id: { type: ['string', 'null'] },
      parameters: { ...parameters, properties: requestParameters },
      inputs: listOf(ref('RequestInput')),
      outputs: { type: ['array', 'null'], items: ref('RequestOutput') },
    },
    ['inputs'],
  ),
  ResponseOutput: exactly(
    {
      name: text,
      datatype: ref('Datatype'),
      shape: dims,
      data: { type: 'array' },
      parameters: exactly({ binary_data_size: whole }),
    },
    ['name', 'datatype', 'shape'],
  ),
  InferenceResponse: exactly(
    { id: text, model_name: text, model_version: text, outputs: listOf(ref('ResponseOutput')) },
    ['model_name', 'model_version', 'outputs'],
  ),
  SharedMemoryStatus: { type: 'array', maxItems: 0 },
} as const satisfies Record<string, object>;

/** Name of a schema. */
export type SchemaName = keyof typeof SCHEMAS;
