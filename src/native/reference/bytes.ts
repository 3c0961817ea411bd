/** BYTES tensors in binary form and UTF-8: the reference of the kernels. For tests only. */

const TEXT_FAULT = 2 ** 31;

/** The elements found, or where the tensor is at fault: what `splitBytes` returns. */
export interface SplitOutcome {
  readonly result: number;
  readonly elements: Uint8Array[];
}

/** Splits all of `source` into `count` elements of u32 length + bytes; see `Binding.splitBytes`. */
export function splitBytesReference(source: Uint8Array, count: number, text: boolean): SplitOutcome {
  const view = new DataView(source.buffer, source.byteOffset, source.length);
  const elements: Uint8Array[] = [];
  let at = 0;
  for (let i = 0; i < count; i++) {
    if (at + 4 > source.length) return { result: i, elements };
    const end = at + 4 + view.getUint32(at, true);
    if (end > source.length) return { result: i, elements };
    const element = source.subarray(at + 4, end);
    if (text && (!isUtf8Reference(element) || element.includes(0))) return { result: i + TEXT_FAULT, elements };
    elements.push(element);
    at = end;
  }
  return { result: at === source.length ? -1 : count, elements };
}

/** The elements in binary form. */
export function joinBytesReference(elements: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat(elements.flatMap((element) => [lengthOf(element), element]));
}

function lengthOf(element: Uint8Array): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(element.length);
  return bytes;
}

/** Whether the bytes are UTF-8 (RFC 3629), as the Encoding standard's decoder sees it. */
export function isUtf8Reference(bytes: Uint8Array): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}
