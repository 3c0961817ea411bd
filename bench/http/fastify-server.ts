/** The server that a user would write by hand: Fastify and onnxruntime-node, JSON, no batching, one intra-op thread: `MODEL`. */

import Fastify from 'fastify';
import * as ort from 'onnxruntime-node';

const session = await ort.InferenceSession.create(process.argv[2] ?? '', { intraOpNumThreads: 1 });
const app = Fastify({ bodyLimit: 64 * 1024 * 1024 });
// wrk sends no content type.
app.addContentTypeParser('*', { parseAs: 'string' }, (_request, text, done) => done(null, JSON.parse(text as string)));

interface Body {
  readonly inputs: readonly [{ readonly shape: number[]; readonly data: number[] }];
}

app.post('/v2/models/:model/infer', async (request) => {
  const [{ shape, data }] = (request.body as Body).inputs;
  const { probs } = await session.run({ input: new ort.Tensor('float32', Float32Array.from(data), shape) });
  const output = { name: 'probs', datatype: 'FP32', shape: probs?.dims, data: Array.from(probs?.data as Float32Array) };
  return { model_name: (request.params as { model: string }).model, outputs: [output] };
});

process.on('SIGTERM', () => app.close());
process.stdout.write(`${await app.listen({ host: '127.0.0.1', port: 0 })}\n`);
