/** Requests as real clients send them, over the fixture models: what mutations start from. */

import { DATATYPES, type DatatypeInfo } from '../../../src/core/datatype.ts';
import type { Chance } from '../chance.ts';
import { type FuzzRequest, get, post } from './request.ts';

/** BF16 is a datatype of the protocol that ONNX Runtime's binding does not take: such a model never loads. */
const SERVED_TYPES = DATATYPES.filter((type) => type.name !== 'BF16');

/** The fixture models that the fuzzed server serves; `broken` never loads either. */
export const FUZZED_MODELS = [
  ...DATATYPES.map((type) => `id_${type.name.toLowerCase()}`),
  ...['simple', 'pair', 'raw8', 'ragged', 'cls', 'nonfinite', 'v2', 'negate', 'broken'],
];

const STRINGS = ['', 'a', 'héllo', '日本', 'q"\\\n', 'twelve bytes and more'];
const CONTROL_PATHS = [
  '/v2',
  '/v2/',
  '/v2/health/live',
  '/v2/health/ready',
  '/v2/models',
  '/v2/models/simple',
  '/v2/models/simple/ready',
  '/v2/models/simple/config',
  '/v2/models/v2/versions/3',
  '/v2/models/v2/versions/1/config',
  '/v2/systemsharedmemory/status',
];

/** One tensor: its JSON member without data, its elements as JSON text (empty: none), its bytes. */
interface Tensor {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
  readonly text: string;
  readonly bytes: Buffer;
}

/** A request that must succeed. */
export function validRequest(chance: Chance): FuzzRequest {
  switch (chance.upTo(11)) {
    case 0:
      return get(chance.pick(CONTROL_PATHS));
    case 1:
      return post('/v2/repository/index', chance.pick(['', '{}', '{"ready":true}']), Buffer.alloc(0), null);
    case 2:
      return post('/v2/models/raw8/infer', '', numbers(chance, 'FP32', 8).bytes, '0');
    default:
      return inferRequest(chance);
  }
}

function inferRequest(chance: Chance): FuzzRequest {
  const { model, tensors, outputs } = modelRequest(chance);
  const binary = tensors.some((tensor) => tensor.text === '') || chance.oneIn(2);
  const inputs = tensors.map((tensor) => member(tensor, binary));
  const members = [`"inputs":[${inputs.join(',')}]`, ...extras(chance)];
  const allBinary = tensors.some((tensor) => tensor.text === '');
  if (allBinary) members.push('"parameters":{"binary_data_output":true}');
  else if (outputs !== '') members.push(`"outputs":${outputs}`);
  else if (chance.oneIn(3)) members.push('"parameters":{"binary_data_output":true,"timeout":10000000}');
  const json = `{${members.join(',')}}`;
  const tail = binary ? Buffer.concat(tensors.map((tensor) => tensor.bytes)) : Buffer.alloc(0);
  const headLength = binary || chance.oneIn(4) ? String(Buffer.byteLength(json)) : null;
  const request = post(`/v2/models/${model}/infer`, json, tail, headLength);
  if (chance.oneIn(5)) request.framing = 'chunked';
  if (chance.oneIn(6)) request.packing = chance.pick(['gzip', 'deflate']);
  return request;
}

function modelRequest(chance: Chance): { model: string; tensors: Tensor[]; outputs: string } {
  const rows = 1 + chance.upTo(3);
  const one = (model: string, datatype: string, shape: number[], outputs = '') => ({
    model,
    tensors: [tensor(chance, 'INPUT0', datatype, shape)],
    outputs,
  });
  switch (chance.upTo(9)) {
    case 0:
      return {
        model: 'simple',
        tensors: ['INPUT0', 'INPUT1'].map((name) => tensor(chance, name, 'INT32', [rows, 16])),
        outputs: chance.pick(['', '[{"name":"OUTPUT1"}]', '[{"name":"OUTPUT1"},{"name":"OUTPUT0","parameters":{}}]']),
      };
    case 1:
      return {
        model: 'pair',
        tensors: [tensor(chance, 'A', 'FP16', [rows]), tensor(chance, 'B', 'BYTES', [rows])],
        outputs: '',
      };
    case 2:
      return one('ragged', 'FP32', [rows, 1 + chance.upTo(40)]);
    case 3:
      return one(
        'cls',
        'FP32',
        [rows, 4],
        `[{"name":"OUTPUT0","parameters":{"classification":${1 + chance.upTo(5)}}}]`,
      );
    case 4:
      return one('nonfinite', 'FP32', [1]);
    case 5:
      return one(chance.pick(['v2', 'v2/versions/1', 'v2/versions/3']), 'FP32', [rows, 4]);
    case 6:
      return one('negate', 'BOOL', [rows, 2]);
    default: {
      const { name } = chance.pick(SERVED_TYPES);
      return one(`id_${name.toLowerCase()}`, name, [chance.upTo(3), chance.upTo(9)]);
    }
  }
}

function tensor(chance: Chance, name: string, datatype: string, shape: readonly number[]): Tensor {
  const count = shape.reduce((product, n) => product * n, 1);
  const made = datatype === 'BYTES' ? strings(chance, count) : numbers(chance, datatype, count);
  return { name, datatype, shape, ...made };
}

function strings(chance: Chance, count: number): { text: string; bytes: Buffer } {
  const list = Array.from({ length: count }, () => chance.pick(STRINGS));
  const parts = list.flatMap((text) => {
    const bytes = Buffer.from(text);
    const length = Buffer.alloc(4);
    length.writeUInt32LE(bytes.length);
    return [length, bytes];
  });
  return { text: JSON.stringify(list), bytes: Buffer.concat(parts) };
}

/** Small whole numbers, which every datatype holds; halves have no JSON form. */
function numbers(chance: Chance, datatype: string, count: number): { text: string; bytes: Buffer } {
  const { size, name } = DATATYPES.find((row) => row.name === datatype) as DatatypeInfo;
  const values = Array.from({ length: count }, () => chance.upTo(datatype === 'BOOL' ? 1 : 100));
  if (name === 'FP16' || name === 'BF16') return { text: '', bytes: chance.bytes(count * size) };
  const bytes = Buffer.alloc(count * size);
  values.forEach((value, i) => {
    if (name === 'FP32') bytes.writeFloatLE(value, i * size);
    else if (name === 'FP64') bytes.writeDoubleLE(value, i * size);
    else bytes.writeUInt8(value, i * size);
  });
  return { text: JSON.stringify(values), bytes };
}

function member({ name, datatype, shape, text, bytes }: Tensor, binary: boolean): string {
  const data = binary ? `"parameters":{"binary_data_size":${bytes.length}}` : `"data":${text}`;
  return `{"name":"${name}","datatype":"${datatype}","shape":[${shape.join(',')}],${data}}`;
}

function extras(chance: Chance): string[] {
  return chance.pick([[], [], ['"id":"42"'], ['"id":""'], ['"id":"é\\n\\ud83d\\ude00"'], ['"model_name":"other"']]);
}
