/** A decode thread whose native library is no library. */

process.dlopen({ exports: {} }, '/dev/null');

export { default, prove } from '../../src/preprocess/decode-thread.ts';
