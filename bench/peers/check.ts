/** Whether a server answers what ONNX Runtime itself does, also where many different rows come together. */

import * as ort from 'onnxruntime-node';
import { send } from '../http/loads.ts';
import type { Subject } from './peer.ts';
import type { RunningPeer } from './start.ts';

/** Batches of other sizes take other kernels, whose sums round otherwise. */
const ABSOLUTE = 1e-4;
const RELATIVE = 1e-3;

/** A row, and what the model makes of it. */
export interface Known {
  readonly row: Float32Array<ArrayBuffer>;
  readonly expected: Float32Array;
}

/** `count` different rows, each run alone. */
export async function knownRows(subject: Subject, count: number): Promise<Known[]> {
  const session = await ort.InferenceSession.create(subject.path, { intraOpNumThreads: 1 });
  const size = subject.shape.reduce((product, dim) => product * dim, 1);
  const known: Known[] = [];
  for (let i = 0; i < count; i++) {
    const row = rowOf(size, i);
    const feeds = { [subject.input]: new ort.Tensor('float32', row, [1, ...subject.shape]) };
    const output = (await session.run(feeds))[subject.output] as ort.Tensor;
    known.push({ row, expected: Float32Array.from(output.data as Float32Array) });
  }
  await session.release();
  return known;
}

/** Like MNIST: most pixels black, the others k/255; seven digits, so that JSON and binary carry the same. */
export function rowOf(size: number, index: number): Float32Array<ArrayBuffer> {
  return Float32Array.from({ length: size }, (_, i) =>
    (i + index) % 5 === 0 ? ((i * 37 + index * 11) % 256) / 255 : 0,
  );
}

/** Sends all rows at once. @throws where an answer is not the one expected */
export async function checkAnswers(
  { peer, url }: RunningPeer,
  subject: Subject,
  known: readonly Known[],
): Promise<void> {
  await Promise.all(
    known.map(async ({ row, expected }, i) => {
      const answer = await send(url, peer.request(subject, row));
      if (answer.status !== 200) throw new Error(`${peer.name} answers ${answer.status} to row ${i}`);
      const wrong = difference(expected, peer.read(subject, answer));
      if (wrong !== '') throw new Error(`${peer.name} answers row ${i} wrongly: ${wrong}`);
    }),
  );
}

/** What is different, in words; empty where nothing is. */
export function difference(expected: ArrayLike<number>, found: ArrayLike<number>): string {
  if (found.length !== expected.length) return `${found.length} numbers for ${expected.length}`;
  for (let i = 0; i < expected.length; i++) {
    const [wanted, got] = [expected[i] as number, found[i] as number];
    if (!(Math.abs(got - wanted) <= ABSOLUTE + RELATIVE * Math.abs(wanted)))
      return `number ${i} is ${got} for ${wanted}`;
  }
  return '';
}
