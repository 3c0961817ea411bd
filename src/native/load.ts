/** Finds the addon and refuses one that does not match this code. */

import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { DATATYPES } from '../core/datatype.ts';
import { type Binding, CONTRACT_VERSION } from './binding.ts';

const BUILD_COMMAND = 'node bin/penstock.mjs build-addon';

/** The addon is missing, or was built from other sources: the process must not serve (exit 78). */
export class NativeAddonError extends Error {
  constructor(message: string) {
    super(`${message}; build it with: ${BUILD_COMMAND}`);
    this.name = 'NativeAddonError';
  }
}

/**
 * Loads `build/Release/penstock.node`, from src/ or from dist/src/.
 * @param url where it is, for tests.
 * @throws {NativeAddonError} with one clear line
 */
export function loadBinding(url: URL = addonUrl()): Binding {
  let binding: Binding;
  try {
    binding = createRequire(import.meta.url)(fileURLToPath(url)) as Binding;
  } catch (error) {
    const why = error instanceof Error ? error.message.split('\n')[0] : String(error);
    throw new NativeAddonError(`the native addon cannot be loaded (${why})`);
  }
  checkContract(binding);
  return binding;
}

/**
 * Compares what an addon says of itself with this code.
 * @throws {NativeAddonError}
 */
export function checkContract(binding: Pick<Binding, 'contractVersion' | 'datatypes'>): void {
  if (binding.contractVersion !== CONTRACT_VERSION) {
    throw new NativeAddonError(
      `the native addon speaks contract ${binding.contractVersion}, this code ${CONTRACT_VERSION}`,
    );
  }
  const theirs = binding.datatypes().map((row) => `${row.name}:${row.size}`);
  const ours = DATATYPES.map((row) => `${row.name}:${row.size}`);
  if (theirs.join() !== ours.join()) throw new NativeAddonError('the native addon has another datatype table');
}

function addonUrl(): URL {
  const up = import.meta.url.includes('/dist/') ? '../../../' : '../../';
  return new URL(`${up}build/Release/penstock.node`, import.meta.url);
}
