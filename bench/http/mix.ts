/** The mix of BM-11: four models in JSON and binary, and requests that must be refused. */

import { cpSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeFixtures } from '../../test/support/fixtures/write.ts';
import type { Mix } from '../runner/mixed-wrk.ts';
import type { Load } from '../runner/wrk.ts';
import { mlpBinary, mlpJson } from './loads.ts';

const DIGITS = fileURLToPath(new URL('../../models/digits', import.meta.url));
const BAD_EVERY = 100;

/** Writes the models of the mix. */
export async function writeMixed(models: string): Promise<void> {
  await writeFixtures(models, ['mlp', 'id_bytes', 'pair']);
  cpSync(DIGITS, join(models, 'digits'), { recursive: true });
}

/** Every request of the mix. */
export function mixed(): Mix {
  const good = [mlpBinary(), mlpJson(), ...digits(), wordsJson(), wordsBinary(), pair()];
  return { good, bad: refused(), badEvery: BAD_EVERY };
}

function infer(model: string, document: unknown, tail?: Uint8Array): Load {
  const head = Buffer.from(typeof document === 'string' ? document : JSON.stringify(document));
  const path = `/v2/models/${model}/infer`;
  if (tail === undefined) return { path, body: head, headers: {} };
  const headers = { 'Inference-Header-Content-Length': `${head.length}` };
  return { path, body: Buffer.concat([head, tail]), headers };
}

/** With a class asked for, and an id that is another one than the neighbour's. */
function digits(): Load[] {
  return [0, 1].map((n) => {
    const golden = JSON.parse(readFileSync(join(DIGITS, `2/golden/0${n}.request.json`), 'utf8')) as object;
    return infer('digits', { ...golden, id: `soak-${n}` });
  });
}

const WORDS = ['penstock', 'Druckrohrleitung', 'nödvändig', ''];

function wordsJson(): Load {
  return infer('id_bytes', { inputs: [{ name: 'INPUT0', datatype: 'BYTES', shape: [2, 2], data: WORDS }] });
}

function wordsBinary(): Load {
  const parts = WORDS.flatMap((word) => {
    const text = Buffer.from(word);
    const length = Buffer.alloc(4);
    length.writeUInt32LE(text.length);
    return [length, text];
  });
  const tail = Buffer.concat(parts);
  const parameters = { binary_data_size: tail.length };
  const input = { name: 'INPUT0', datatype: 'BYTES', shape: [2, 2], parameters };
  return infer(
    'id_bytes',
    { inputs: [input], outputs: [{ name: 'OUTPUT0', parameters: { binary_data: true } }] },
    tail,
  );
}

/** One input in the binary tail and one as JSON, and so the outputs: FP16 has no JSON form. */
function pair(): Load {
  const halves = Uint16Array.of(0x3c00, 0x4000, 0xc200);
  const inputs = [
    { name: 'A', datatype: 'FP16', shape: [3], parameters: { binary_data_size: halves.byteLength } },
    { name: 'B', datatype: 'BYTES', shape: [4], data: WORDS },
  ];
  const outputs = [{ name: 'C', parameters: { binary_data: true } }, { name: 'D' }];
  return infer('pair', { inputs, outputs }, new Uint8Array(halves.buffer));
}

/** Found wrong at every step of the road: the path, the text, the model's interface, the numbers, the binary tail. */
function refused(): Load[] {
  const input = (shape: readonly number[], datatype: string, data: unknown) => ({
    inputs: [{ name: 'input', shape, datatype, data }],
  });
  return [
    infer('no-such-model', { inputs: [] }),
    infer('mlp', '{"inputs": ['),
    infer('mlp', { inputs: [] }),
    infer('mlp', input([1, 3], 'FP32', [1, 2, 3])),
    infer('mlp', input([1, 784], 'INT64', new Array(784).fill(1))),
    infer('mlp', input([1, 784], 'FP32', new Array(784).fill('x'))),
    infer(
      'mlp',
      { inputs: [{ name: 'input', shape: [1, 784], datatype: 'FP32', parameters: { binary_data_size: 3136 } }] },
      new Uint8Array(100),
    ),
  ];
}
