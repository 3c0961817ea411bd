/** The models folder, as `penstock check` reads it: every version's files, and what they say of images held against the model. */

import { disagreements } from '../preprocess/agreement.ts';
import { type FoundVersion, readVersion, scan } from '../registry/repository.ts';

/** Every mistake in the folder, one sentence each; a folder that is not there has none. */
export async function modelMistakes(root: string): Promise<string[]> {
  const found = await scan(root, () => undefined).catch(() => []);
  const mistakes: string[] = [];
  for (const { name, versions } of found) {
    for (const version of versions) mistakes.push(...(await versionMistakes(root, name, version)));
  }
  // What stands in model.yaml is wrong for every version.
  return [...new Set(mistakes)];
}

async function versionMistakes(root: string, model: string, version: string): Promise<string[]> {
  try {
    const found = await readVersion(root, model, version);
    return found.policy.preprocess === null ? [] : await imageMistakes(model, version, found);
  } catch (error) {
    const text = (error as Error).message;
    const placed = text.startsWith(`${model}/`);
    return text.split('\n').map((line) => (placed ? line : `${model}/${version}: ${line}`));
  }
}

/** The signature is the model file's own: a manifest need not be there. */
async function imageMistakes(model: string, version: string, found: FoundVersion): Promise<string[]> {
  const { Session } = await import('../workers/session.ts');
  const { policy, labels, path } = found;
  const options = { ...policy.session, executionProviders: [{ name: 'cpu' as const, deviceId: 0 }], intraOpThreads: 1 };
  const session = await Session.open({ session: 1, path, options }, new SharedArrayBuffer(0)).catch(() => null);
  if (session === null) return [`${model}/${version}: model.onnx cannot be loaded`];
  try {
    return disagreements({ model, version, policy, signature: session.info.signature, labels });
  } finally {
    await session.release();
  }
}
