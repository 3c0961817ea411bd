/**
 * The server that a user would write by hand: Fastify and onnxruntime-node, no batching: `MODEL [THREADS] [PORT]`, with one
 * intra-op thread unless THREADS is `default`. JSON as Open Inference has it, and raw float32 bytes to `/raw/1x784`.
 */

import Fastify from 'fastify';
import * as ort from 'onnxruntime-node';

const [path = '', threads = '1', port = '0'] = process.argv.slice(2);
const session = await ort.InferenceSession.create(path, threads === '1' ? { intraOpNumThreads: 1 } : {});
const [input = '', output = ''] = [session.inputNames[0], session.outputNames[0]];
const app = Fastify({ bodyLimit: 64 * 1024 * 1024 });
// wrk sends no content type.
app.addContentTypeParser('*', { parseAs: 'string' }, (_request, text, done) => done(null, JSON.parse(text as string)));
app.addContentTypeParser('application/octet-stream', { parseAs: 'buffer' }, (_request, bytes, done) =>
  done(null, bytes),
);

interface Body {
  readonly inputs: readonly [{ readonly shape: number[]; readonly data: number[] }];
}

async function run(numbers: Float32Array, shape: readonly number[]): Promise<ort.Tensor> {
  return (await session.run({ [input]: new ort.Tensor('float32', numbers, shape) }))[output] as ort.Tensor;
}

app.post('/v2/models/:model/infer', async (request) => {
  const [{ shape, data }] = (request.body as Body).inputs;
  const rows = await run(Float32Array.from(data), shape);
  const outputs = [{ name: output, datatype: 'FP32', shape: rows.dims, data: Array.from(rows.data as Float32Array) }];
  return { model_name: (request.params as { model: string }).model, outputs };
});

app.post('/raw/:shape', async (request, reply) => {
  const bytes = request.body as Buffer;
  // A body's place in its buffer need not be one of a float.
  const numbers = new Float32Array(
    bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) as ArrayBuffer,
  );
  const rows = await run(numbers, (request.params as { shape: string }).shape.split('x').map(Number));
  const { buffer, byteOffset, byteLength } = rows.data as Float32Array;
  return reply.type('application/octet-stream').send(Buffer.from(buffer, byteOffset, byteLength));
});

process.on('SIGTERM', () => app.close());
process.stdout.write(`${await app.listen({ host: '127.0.0.1', port: Number(port) })}\n`);
