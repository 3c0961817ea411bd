/** Requests and answers of servers that speak Open Inference: ours, tritonserver and MLServer. */

import { type Answer, binaryLoad, jsonLoad } from '../http/loads.ts';
import type { Load } from '../runner/wrk.ts';
import type { Subject } from './peer.ts';

/** One row, with its numbers behind the JSON head or in it. */
export function inferRequest(subject: Subject, row: Float32Array<ArrayBuffer>): Load {
  const shape = [1, ...subject.shape];
  return subject.form === 'binary'
    ? binaryLoad(subject.model, subject.input, shape, subject.output, row)
    : jsonLoad(subject.model, subject.input, shape, row);
}

/** Numbers of the one output. */
export function inferAnswer(_subject: Subject, { headers, body }: Answer): ArrayLike<number> {
  const head = headers.get('inference-header-content-length');
  if (head !== null) return new Float32Array(body.slice(Number(head)).buffer);
  const { outputs } = JSON.parse(Buffer.from(body).toString()) as { outputs: { data: number[] }[] };
  return outputs[0]?.data ?? [];
}
