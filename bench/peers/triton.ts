/**
 * tritonserver: the program inside the wheel of PyTriton, started directly, with its Python backend around ONNX Runtime.
 * Nothing of the wheel's own proxy runs: that would cost it several times its time.
 */

import { existsSync } from 'node:fs';
import { copyFile, mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pythonWith } from '../../test/support/python.ts';
import { inferAnswer, inferRequest } from './open-inference.ts';
import type { Peer, Place, Subject } from './peer.ts';
import { ask, MODELS, ONNXRUNTIME, subjectEnv } from './python.ts';

/** The wheel's other needs are its proxy's; protobuf and the rest are those of ONNX Runtime. */
const PACKAGES = ['nvidia-pytriton==0.7.0', ONNXRUNTIME, 'numpy==1.26.4', 'flatbuffers==25.12.19', 'protobuf==7.36.2'];

/** A batch waits so long to fill: the best of 0, 500 and 2,000 for its CPU per request, at no lower a rate. */
const MAX_QUEUE_DELAY_US = 2_000;

const python = () => pythonWith([...PACKAGES, 'packaging==26.3'], { bare: true });

/** HTTP alone, dynamic batching, as many instances of the Python model as asked. */
export const triton: Peer = tritonWith('tritonserver', () => '');

/** The same with a queue of two batches an instance, out of which it rejects whoever has waited for the whole deadline. */
export function boundedTriton(deadlineMs: number): Peer {
  return tritonWith('tritonserver-bounded', ({ batch, instances }) =>
    [
      ' default_queue_policy { timeout_action: REJECT',
      `default_timeout_microseconds: ${deadlineMs * 1000}`,
      `max_queue_size: ${2 * batch * instances} }`,
    ].join(' '),
  );
}

function tritonWith(name: string, queuePolicy: (subject: Subject) => string): Peer {
  return {
    name,
    forms: ['binary', 'json'],
    install: async () => {
      await python();
    },
    launch: async (subject, place) => {
      const interpreter = await python();
      const packages = await ask(interpreter, 'sysconfig', 'sysconfig.get_path("purelib")');
      const libraries = await ask(interpreter, 'sysconfig', 'sysconfig.get_config_var("LIBDIR")');
      const version = await ask(interpreter, 'sysconfig', 'sysconfig.get_python_version()');
      const home = join(packages, 'pytriton/tritonserver');
      await writeBackend(home, version, join(place.folder, 'backends/python'));
      await writeRepository(subject, join(place.folder, 'models', subject.model), queuePolicy(subject));
      return {
        program: join(home, 'bin/tritonserver'),
        args: serverArgs(place),
        env: {
          ...subjectEnv(subject, place),
          PEER_PATH: `${packages}:${MODELS}`,
          LD_LIBRARY_PATH: `${join(packages, 'nvidia_pytriton.libs')}:${libraries}`,
        },
      };
    },
    request: inferRequest,
    read: inferAnswer,
  };
}

function serverArgs({ port, folder }: Place): string[] {
  return [
    ...[`--model-repository=${folder}/models`, `--backend-directory=${folder}/backends`],
    ...['--http-address=127.0.0.1', `--http-port=${port}`],
    ...['--allow-grpc=false', '--allow-metrics=false', '--log-info=false', '--log-warning=false'],
  ];
}

/** The backend as the wheel has it, beside the stub of this Python. */
async function writeBackend(home: string, version: string, folder: string): Promise<void> {
  const stub = join(home, 'python_backend_stubs', version, 'triton_python_backend_stub');
  if (!existsSync(stub)) throw new Error(`the wheel has no stub for Python ${version}`);
  await mkdir(folder, { recursive: true });
  for (const name of ['libtriton_python.so', 'triton_python_backend_utils.py']) {
    await symlink(join(home, 'backends/python', name), join(folder, name));
  }
  await symlink(stub, join(folder, 'triton_python_backend_stub'));
}

async function writeRepository(subject: Subject, folder: string, queuePolicy: string): Promise<void> {
  await mkdir(join(folder, '1'), { recursive: true });
  await copyFile(join(MODELS, 'triton_model.py'), join(folder, '1/model.py'));
  await writeFile(
    join(folder, 'config.pbtxt'),
    `backend: "python"
max_batch_size: ${subject.batch}
input [{ name: "${subject.input}" data_type: TYPE_FP32 dims: [${subject.shape.join()}] }]
output [{ name: "${subject.output}" data_type: TYPE_FP32 dims: [${subject.outputs}] }]
instance_group [{ kind: KIND_CPU count: ${subject.instances} }]
dynamic_batching { max_queue_delay_microseconds: ${MAX_QUEUE_DELAY_US}${queuePolicy} }
`,
  );
}
