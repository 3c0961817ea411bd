/** What the rivals in Python have in common: a virtual environment of exact versions, and what to serve in the environment. */

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { pythonWith } from '../../test/support/python.ts';
import type { Place, Subject } from './peer.ts';

const run = promisify(execFile);

/** The release that onnxruntime-node has here: rivals run the same kernels. */
export const ONNXRUNTIME = 'onnxruntime==1.30.0';

/** The folder of the models in Python. */
export const MODELS = fileURLToPath(new URL('./python', import.meta.url));

/** A Python that has `packages` and ONNX Runtime; made at the first call. */
export function pythonOf(...packages: readonly string[]): Promise<string> {
  return pythonWith([...packages, ONNXRUNTIME]);
}

/** What session.py reads. */
export function subjectEnv(subject: Subject, place: Place): Record<string, string> {
  return {
    PEER_MODEL: subject.path,
    PEER_SHAPE: subject.shape.join(),
    PEER_INSTANCES: String(subject.instances),
    PEER_BATCH: String(subject.batch),
    PEER_PORT: String(place.port),
    PEER_FORM: subject.form,
    PYTHONPATH: MODELS,
    // Caches of bytecode would be written into the checkout.
    PYTHONDONTWRITEBYTECODE: '1',
    PYTHONUNBUFFERED: '1',
  };
}

/** What a Python says to an expression. */
export async function ask(python: string, modules: string, expression: string): Promise<string> {
  const { stdout } = await run(python, ['-c', `import ${modules}; print(${expression})`]);
  return stdout.trim();
}
