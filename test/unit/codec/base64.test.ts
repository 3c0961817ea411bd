import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeBase64 } from '../../../src/codec/base64.ts';

/** Decodes in place, in the middle of something else. */
function decoded(text: string): { size: number; memory: Buffer } {
  const memory = Buffer.concat([Buffer.from('<<<'), Buffer.from(text, 'latin1'), Buffer.from('>>>')]);
  return { size: decodeBase64(memory, 3, text.length), memory };
}

describe('base64 in its place', () => {
  it('becomes the bytes that it was made of, and touches nothing beside it', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const text = Buffer.from(bytes).toString('base64');
        const { size, memory } = decoded(text);
        expect(Uint8Array.from(memory.subarray(3, 3 + size))).toEqual(bytes);
        expect(memory.toString('latin1', 0, 3)).toBe('<<<');
        expect(memory.toString('latin1', 3 + text.length)).toBe('>>>');
      }),
    );
  });

  it.each([
    'QQ',
    'QQ=',
    'QQ===',
    'Q',
    'QR==',
    'QUJ=',
    'QU JD',
    'QUJD\n',
    '-_8=',
    'QQ==QQ==',
    '=',
    '\xff\xff\xff\xff',
    'QUJD!',
  ])('is refused as %j', (text) => {
    expect(decoded(text).size).toBe(-1);
  });

  it('of nothing is nothing', () => {
    expect(decoded('').size).toBe(0);
  });
});
