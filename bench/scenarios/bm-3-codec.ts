/** BM-3, the codec alone: the addon's lift of a JSON body against JSON.parse and Float32Array.from, in turns in one process. */

import { datatype } from '../../src/core/datatype.ts';
import { Arena } from '../../src/native/arena.ts';
import { LIFT_RESULT_LENGTH, LiftStatus } from '../../src/native/binding.ts';
import { loadBinding } from '../../src/native/load.ts';
import { mlpJson, PIXELS } from '../http/loads.ts';
import { alternate, mean, measureRounds } from '../runner/rounds.ts';
import type { Outcome, Scenario } from '../runner/scenario.ts';

const CALLS = 2_000;
const MAX_DEPTH = 100;

/** How many times as long JSON.parse and Float32Array.from take for the body of BM-3. */
export const codecAlone: Scenario = {
  what: 'the body of BM-3: JSON.parse + Float32Array.from / the lift',
  target: '>= 3',
  scale: 'slices',
  write: async () => undefined,
  run: ({ rounds }) => measure(rounds),
};

async function measure(rounds: number): Promise<Outcome> {
  const body = new Uint8Array(mlpJson().body);
  const lift = liftOf(body);
  const one = async () => {
    const slices = await alternate(
      async () => timeUs(lift),
      async () => timeUs(() => parsed(body)),
    );
    const [ours, other] = [mean(slices.ours), mean(slices.other)];
    return {
      figure: other / ours,
      aa: slices.ours[0] / slices.ours[1],
      detail: { ours, other, bytes: body.length },
    };
  };
  // The first round warms both up.
  await one();
  return measureRounds(rounds, one);
}

function liftOf(body: Uint8Array): () => void {
  const binding = loadBinding();
  const arena = new Arena(binding, PIXELS * 4);
  const target = binding.createTarget(['input'], [datatype('FP32').id], 16);
  const places = Float64Array.of(0, PIXELS * 4);
  const skeleton = new Uint8Array(4096);
  const result = new Float64Array(LIFT_RESULT_LENGTH);
  return () => {
    const status = binding.lift(target, body, 0, body.length, arena.bytes, places, skeleton, result, MAX_DEPTH);
    if (status !== LiftStatus.OK) throw new Error(`the lift ends with ${status}`);
  };
}

function parsed(body: Uint8Array): Float32Array {
  const text = Buffer.from(body.buffer, body.byteOffset, body.length).toString('utf8');
  const { inputs } = JSON.parse(text) as { inputs: { data: number[] }[] };
  return Float32Array.from(inputs[0]?.data ?? []);
}

function timeUs(call: () => void): number {
  const started = performance.now();
  for (let i = 0; i < CALLS; i++) call();
  return ((performance.now() - started) * 1000) / CALLS;
}
