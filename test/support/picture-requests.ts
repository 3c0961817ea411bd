/** Requests that bring pictures, in each of the ways in which they may come; and pictures to send. */

import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import sharp from 'sharp';
import { B, type Reply, send } from './gateway.ts';
import { seededBytes } from './image-golden.ts';

/** A lossless picture of seeded pixels. @returns its file and the pixels themselves */
export async function seededPng(
  width: number,
  height: number,
  channels: 1 | 3,
  seed = 1,
): Promise<{ file: Buffer; pixels: Uint8Array }> {
  const pixels = seededBytes(seed, width * height * channels);
  const image = sharp(pixels, { raw: { width, height, channels } });
  const file = await (channels === 1 ? image.toColourspace('b-w') : image).png({ compressionLevel: 1 }).toBuffer();
  return { file, pixels };
}

/** The body is the picture. */
export function asBody(
  url: string,
  file: Uint8Array,
  query = '',
  headers: Record<string, string> = {},
): Promise<Reply> {
  return send(`${url}${query}`, file, { 'Content-Type': 'image/png', ...headers });
}

/** The body is the picture, and comes in chunks without a length. @returns the document that is answered */
export async function asChunks(url: string, file: Uint8Array, chunkBytes: number): Promise<Reply['json']> {
  const asked = request(url, { method: 'POST', headers: { 'Content-Type': 'image/png' } });
  for (let at = 0; at < file.length; at += chunkBytes) asked.write(file.subarray(at, at + chunkBytes));
  asked.end();
  const [answer] = (await once(asked, 'response')) as [IncomingMessage];
  return JSON.parse(Buffer.concat(await answer.toArray()).toString());
}

/** A BYTES tensor of pictures, in binary form. */
export function asBinary(url: string, input: string, files: readonly Uint8Array[], more: object = {}): Promise<Reply> {
  const elements = files.flatMap((file) => [new Uint8Array(Uint32Array.of(file.length).buffer), file]);
  const tail = Buffer.concat(elements);
  const head = Buffer.from(JSON.stringify({ ...more, inputs: [B(input, 'BYTES', [files.length], tail.length)] }));
  return send(url, Buffer.concat([head, tail]), { 'Inference-Header-Content-Length': String(head.length) });
}

/** The same as JSON, each of them base64. */
export function asJson(url: string, input: string, files: readonly Uint8Array[], more: object = {}): Promise<Reply> {
  const data = files.map((file) => Buffer.from(file).toString('base64'));
  const inputs = [{ name: input, datatype: 'BYTES', shape: [files.length, 1], data }];
  return send(url, Buffer.from(JSON.stringify({ ...more, inputs })));
}

/** The numbers of an output that came in binary form. */
export function floats({ tail }: Reply): Float32Array {
  return new Float32Array(Uint8Array.from(tail).buffer);
}
