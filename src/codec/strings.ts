/** BYTES tensors: between their binary form and JavaScript strings, which is what ONNX Runtime takes. */

import { invalid } from '../core/error.ts';
import type { Binding } from '../native/binding.ts';

const TEXT_FAULT = 2 ** 31;

/**
 * The strings of a BYTES tensor in binary form.
 * @param name of the input, for error sentences. @param base64 whether each element is base64 of the real bytes.
 * @throws {GatewayError} INVALID_ARGUMENT where framing, count or UTF-8 is wrong, or an element has a NUL
 */
export function readStrings(
  binding: Binding,
  memory: Uint8Array,
  offset: number,
  length: number,
  count: number,
  name: string,
  base64: boolean,
): string[] {
  const spans = splitElements(binding, memory, offset, length, count, name, !base64);
  const strings: string[] = new Array(count);
  for (let i = 0; i < count; i++) {
    const text = Buffer.from(memory.buffer, memory.byteOffset + spans[2 * i], spans[2 * i + 1]).toString('utf8');
    strings[i] = base64 ? fromBase64(binding, text, name, i) : text;
  }
  return strings;
}

/**
 * Where the elements of a BYTES tensor in binary form lie: start in `memory` and length of each.
 * @param text whether each has to be UTF-8 without NUL
 * @throws {GatewayError} INVALID_ARGUMENT as above
 */
export function splitElements(
  binding: Binding,
  memory: Uint8Array,
  offset: number,
  length: number,
  count: number,
  name: string,
  text: boolean,
): Uint32Array {
  if (count * 4 > length) throw invalid(`input '${name}' expects ${count} elements, found ${length} bytes`);
  const spans = new Uint32Array(2 * count);
  const fault = binding.splitBytes(memory, offset, length, count, spans, text);
  if (fault >= TEXT_FAULT) {
    throw invalid(`input '${name}', element ${fault - TEXT_FAULT}: expected UTF-8 text without NUL`);
  }
  if (fault === count) throw invalid(`input '${name}' has bytes left over behind its ${count} elements`);
  if (fault >= 0) throw invalid(`input '${name}', element ${fault}: its length runs past the end of the data`);
  return spans;
}

/** Elements in binary form: u32 little-endian length and UTF-8, one behind the other. */
export function writeStrings(strings: readonly string[]): Uint8Array {
  const size = strings.reduce((sum, text) => sum + 4 + Buffer.byteLength(text), 0);
  const bytes = Buffer.allocUnsafeSlow(size);
  let at = 0;
  for (const text of strings) {
    const length = bytes.write(text, at + 4, 'utf8');
    at = bytes.writeUInt32LE(length, at) + length;
  }
  return bytes;
}

function fromBase64(binding: Binding, text: string, name: string, element: number): string {
  if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text)) {
    throw invalid(`input '${name}', element ${element}: expected base64`);
  }
  const bytes = Buffer.from(text, 'base64');
  if (!binding.isUtf8(bytes, 0, bytes.length) || bytes.includes(0)) {
    throw invalid(`input '${name}', element ${element}: expected UTF-8 text without NUL`);
  }
  return bytes.toString('utf8');
}
