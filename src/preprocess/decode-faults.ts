/** What callers are told where no picture comes of a file: whose fault it was, by what sharp, libvips and threads say. */

import { GatewayError } from '../core/error.ts';

/**
 * Whoever could not have memory says one of these: libvips, sharp, libjpeg, libpng, zlib, C++ and Node. What libwebp itself could not
 * have for its own tables it calls damage. What libpng says of a palette whose histogram it leaves out ("allocation skipped") is damage.
 */
const OUT_OF_MEMORY =
  /out of memory|(insufficient|enough) memory|(unable|failed) to allocate|allocation failed|std::bad_alloc/i;

/** A thread could not start, or cannot decode: nothing of a picture was used. */
export class StartError extends Error {
  constructor(cause: unknown) {
    super('a decode thread could not start', { cause });
    this.name = 'StartError';
  }
}

/** A decoder that does not end, answered in its place. It may read the picture's file until `ended`, and never writes its row. */
export class StuckError extends GatewayError {
  readonly ended: Promise<void>;

  constructor(ended: Promise<void>) {
    super('INTERNAL', 'the image could not be decoded: its decoder did not come to an end');
    this.ended = ended;
  }
}

/** The decoder finds something wrong, in its own words (for the log). */
export function undecodable(fault: string): GatewayError {
  const cause = new Error(fault);
  if (OUT_OF_MEMORY.test(fault)) return noMemory(cause);
  const sentence = 'the image cannot be decoded: it is damaged, or is not what its header says';
  return new GatewayError('INVALID_ARGUMENT', sentence, { cause });
}

/** The thread ended or failed, or the way to it. */
export function decoderFailed(error: unknown): GatewayError {
  // A thread whose own heap is full says so in such words too, and the same picture would fill it again.
  const ended = error instanceof Error && 'code' in error && error.code === 'ERR_WORKER_OUT_OF_MEMORY';
  if (!ended && error instanceof Error && OUT_OF_MEMORY.test(error.message)) return noMemory(error);
  return new GatewayError('INTERNAL', 'the image could not be decoded: its decoder failed', { cause: error });
}

/** There is no thread that could decode. @param retryAfterMs 0 where nobody knows */
export function decodersLost(retryAfterMs: number): GatewayError {
  return new GatewayError('INSTANCE_LOST', 'no image can be decoded at the moment: no decoder works', {
    retryAfterMs,
  });
}

function noMemory(cause: Error): GatewayError {
  return new GatewayError('OVERLOADED', 'there is not enough memory to decode the image now', { cause });
}
