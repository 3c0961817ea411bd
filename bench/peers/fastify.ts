/** Fastify and onnxruntime-node, the server that a user would write by hand: with one intra-op thread, and with its defaults. */

import { fileURLToPath } from 'node:url';
import { jsonLoad } from '../http/loads.ts';
import { inferAnswer } from './open-inference.ts';
import type { Peer } from './peer.ts';

const ENTRY = fileURLToPath(new URL('./fastify-server.ts', import.meta.url));

/** Its packages are this repository's own. */
function fastify(name: string, threads: '1' | 'default'): Peer {
  return {
    name,
    forms: ['binary', 'json'],
    install: async () => undefined,
    launch: async ({ path }, { port }) => ({
      program: process.execPath,
      args: [ENTRY, path, threads, String(port)],
    }),
    request: (subject, row) =>
      subject.form === 'json'
        ? jsonLoad(subject.model, subject.input, [1, ...subject.shape], row)
        : {
            path: `/raw/${[1, ...subject.shape].join('x')}`,
            headers: { 'Content-Type': 'application/octet-stream' },
            body: new Uint8Array(row.buffer),
          },
    read: (subject, answer) =>
      subject.form === 'json' ? inferAnswer(subject, answer) : new Float32Array(answer.body.buffer),
  };
}

/** One intra-op thread. */
export const fastifyOne = fastify('fastify-1', '1');

/** As onnxruntime-node comes. */
export const fastifyDefault = fastify('fastify', 'default');
