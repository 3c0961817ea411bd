/** Memory of large buffers, given back when it is known to be done with instead of when the collector looks. */

/** Smaller buffers are left to the collector. */
const LARGE_BYTES = 1024 * 1024;

/**
 * Frees the memory behind `bytes` at once where it is large; every view on it is empty afterwards. The collector sees
 * 50 MiB as one small object, and after a burst of them nothing may make it look for minutes.
 * @param bytes a view whose buffer nobody else uses, now or later; bare buffers and shared memory are left alone.
 */
export function giveBack(bytes: Uint8Array | ArrayBufferLike | null | undefined): void {
  if (bytes instanceof Uint8Array && bytes.buffer instanceof ArrayBuffer && bytes.buffer.byteLength >= LARGE_BYTES) {
    bytes.buffer.transfer(0);
  }
}
