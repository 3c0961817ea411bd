/** MLServer: FastAPI, a custom runtime and adaptive batching, Open Inference in JSON. */

import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { freePort } from '../runner/group.ts';
import { inferAnswer, inferRequest } from './open-inference.ts';
import type { Peer, Place, Subject } from './peer.ts';
import { pythonOf, subjectEnv } from './python.ts';

/** The newest uvloop makes no loop unasked any more, which ends MLServer's pool of workers as it starts. */
const python = () => pythonOf('mlserver==1.7.1', 'uvloop==0.21.0', 'numpy==2.4.6');

/** Seconds that a batch waits to fill. */
const MAX_BATCH_TIME_S = 0.001;

/** One instance runs in the server's own process, more of them in its pool of workers. */
export const mlserver: Peer = {
  name: 'mlserver',
  forms: ['json'],
  install: async () => {
    await python();
  },
  launch: async (subject, place) => {
    await writeSettings(subject, place);
    const program = join(dirname(await python()), 'mlserver');
    return { program, args: ['start', place.folder], env: subjectEnv(subject, place) };
  },
  request: inferRequest,
  read: inferAnswer,
};

async function writeSettings(subject: Subject, { port, folder }: Place): Promise<void> {
  const server = {
    host: '127.0.0.1',
    http_port: port,
    grpc_port: await freePort(),
    metrics_endpoint: null,
    parallel_workers: subject.instances === 1 ? 0 : subject.instances,
    debug: false,
    gzip_enabled: false,
  };
  const model = {
    name: subject.model,
    implementation: 'mlserver_model.Model',
    max_batch_size: subject.batch,
    max_batch_time: MAX_BATCH_TIME_S,
    inputs: [{ name: subject.input, datatype: 'FP32', shape: [-1, ...subject.shape] }],
    outputs: [{ name: subject.output, datatype: 'FP32', shape: [-1, subject.outputs] }],
  };
  await writeFile(join(folder, 'settings.json'), JSON.stringify(server));
  await writeFile(join(folder, 'model-settings.json'), JSON.stringify(model));
}
