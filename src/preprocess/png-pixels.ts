/**
 * Of a PNG what its pixels are made of. Decoders also unpack texts and profiles, up to a thousand times their size, and keep several
 * copies of them: nobody reads any of it, so none is given to them.
 */

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47];
/** The signature. */
const FIRST_CHUNK = 8;
/** Of a chunk besides its content: length, name and checksum. */
const FRAME_BYTES = 12;
const TRANSPARENCY = nameOf('tRNS');
const END = nameOf('IEND');

/**
 * The file without what its pixels do not need: ancillary chunks but for transparency (PNG, third edition, 5.4), and bytes behind its
 * end. Itself where there is nothing of that, or it is no PNG; a copy otherwise.
 * @param file that `judgePicture` has let in: where its chunks do not fit into it the rest stays as it is
 */
export function pixelsOnly(file: Uint8Array): Uint8Array {
  if (!SIGNATURE.every((byte, i) => file[i] === byte)) return file;
  const parts = needed(file);
  const bytes = parts.reduce((sum, part) => sum + part.length, 0);
  if (bytes === file.length) return file;
  const copy = new Uint8Array(bytes);
  let at = 0;
  for (const part of parts) {
    copy.set(part, at);
    at += part.length;
  }
  return copy;
}

/** The pieces of the file that are needed, each as long as it can be. */
function needed(file: Uint8Array): Uint8Array[] {
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  const parts: Uint8Array[] = [];
  let from = 0;
  let at = FIRST_CHUNK;
  while (at + FRAME_BYTES <= file.length) {
    const next = at + FRAME_BYTES + view.getUint32(at);
    const name = view.getUint32(at + 4);
    if (next > file.length) break;
    if (!isNeeded(name)) {
      parts.push(file.subarray(from, at));
      from = next;
    }
    at = next;
    if (name === END) return [...parts, file.subarray(from, at)];
  }
  return [...parts, file.subarray(from)];
}

/** Ancillary chunks have a small first letter. */
function isNeeded(name: number): boolean {
  return (name & 0x20000000) === 0 || name === TRANSPARENCY;
}

function nameOf(letters: string): number {
  return [...letters].reduce((name, letter) => name * 256 + letter.charCodeAt(0), 0);
}
