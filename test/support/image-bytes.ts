/** Images written byte by byte, for what no encoder makes: containers with lies in them. */

/** A JPEG segment with its length; `marker` alone where there is no content. */
export function segment(marker: number, content?: Uint8Array | number[]): Buffer {
  if (content === undefined) return Buffer.from([0xff, marker]);
  const length = content.length + 2;
  return Buffer.from([0xff, marker, length >> 8, length & 255, ...content]);
}

/** A frame header of `components` components, by default baseline. */
export function frameHeader(width: number, height: number, components = 3, marker = 0xc0, bits = 8): Buffer {
  const each = Array.from({ length: components }, (_, i) => [i + 1, 0x11, 0]).flat();
  return segment(marker, [bits, height >> 8, height & 255, width >> 8, width & 255, components, ...each]);
}

/** SOI and these segments. */
export function jpeg(...segments: Buffer[]): Buffer {
  return Buffer.concat([segment(0xd8), ...segments]);
}

/** The header of a scan of the first `components` components. */
export function scan(components: number): Buffer {
  const each = Array.from({ length: components }, (_, i) => [i + 1, 0]).flat();
  return segment(0xda, [components, ...each, 0, 63, 0]);
}

/** Of one component. */
export const SCAN = scan(1);
/** EOI. */
export const END = segment(0xd9);

/** Exif in an APP1 segment. */
export function exifSegment(tiff: Uint8Array): Buffer {
  return segment(0xe1, Buffer.concat([Buffer.from('Exif\0\0', 'latin1'), tiff]));
}

/** A TIFF structure with one tag in it, in either byte order. */
export function tiff(orientation: number, { big = false, tag = 0x0112, type = 3, count = 1, at = 8 } = {}): Buffer {
  const bytes = Buffer.alloc(at + 18);
  const u16 = (value: number, offset: number) =>
    big ? bytes.writeUInt16BE(value, offset) : bytes.writeUInt16LE(value, offset);
  const u32 = (value: number, offset: number) =>
    big ? bytes.writeUInt32BE(value, offset) : bytes.writeUInt32LE(value, offset);
  bytes.write(big ? 'MM' : 'II', 0);
  u16(42, 2);
  u32(at, 4);
  u16(1, at);
  u16(tag, at + 2);
  u16(type, at + 4);
  u32(count, at + 6);
  if (type === 4) u32(orientation, at + 10);
  else u16(orientation, at + 10);
  return bytes;
}

/** A PNG chunk; its checksum is not computed, since headers are read without it. */
export function pngChunk(name: string, content: Uint8Array | number[] = []): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt32BE(content.length);
  head.write(name, 4, 'latin1');
  return Buffer.concat([head, Buffer.from(content), Buffer.alloc(4)]);
}

/** IHDR. */
export function ihdr(width: number, height: number, bits = 8, type = 2, methods = [0, 0, 0]): Buffer {
  const content = Buffer.alloc(13);
  content.writeUInt32BE(width, 0);
  content.writeUInt32BE(height, 4);
  content.set([bits, type, ...methods], 8);
  return pngChunk('IHDR', content);
}

/** The signature and these chunks. */
export function png(...chunks: Buffer[]): Buffer {
  return Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), ...chunks]);
}

/** A RIFF chunk, padded to an even size. */
export function riffChunk(name: string, content: Uint8Array | number[]): Buffer {
  const head = Buffer.alloc(8);
  head.write(name, 'latin1');
  head.writeUInt32LE(content.length, 4);
  return Buffer.concat([head, Buffer.from(content), Buffer.alloc(content.length % 2)]);
}

/** A WebP of these chunks. */
export function webp(...chunks: Buffer[]): Buffer {
  return riffChunk('RIFF', Buffer.concat([Buffer.from('WEBP'), ...chunks]));
}

const u24 = (value: number) => [value & 255, (value >> 8) & 255, (value >> 16) & 255];

/** A lossy stream: no more than its header. */
export function vp8(width: number, height: number, tag = 0x10): Buffer {
  const size = [width & 255, width >> 8, height & 255, height >> 8];
  return riffChunk('VP8 ', [...u24(tag), 0x9d, 0x01, 0x2a, ...size]);
}

/** A lossless stream: no more than its header. */
export function vp8l(width: number, height: number, alpha = false, version = 0): Buffer {
  const packed = Buffer.alloc(5);
  packed[0] = 0x2f;
  packed.writeUInt32LE(((width - 1) | ((height - 1) << 14) | (Number(alpha) << 28) | (version << 29)) >>> 0, 1);
  return riffChunk('VP8L', packed);
}

/** The head of an extended file. */
export function vp8x(width: number, height: number, flags = 0): Buffer {
  return riffChunk('VP8X', [flags, 0, 0, 0, ...u24(width - 1), ...u24(height - 1)]);
}

/** A frame of an animation. */
export function anmf(x: number, y: number, width: number, height: number, ...chunks: Buffer[]): Buffer {
  const head = [...u24(x / 2), ...u24(y / 2), ...u24(width - 1), ...u24(height - 1), ...u24(100), 0];
  return riffChunk('ANMF', Buffer.concat([Buffer.from(head), ...chunks]));
}
