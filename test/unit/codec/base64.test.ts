import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BASE64_STEP_BYTES, decodeBase64 } from '../../../src/codec/base64.ts';
import { CountingPace } from '../../support/counting-pace.ts';

/** Decodes in place, in the middle of something else. */
async function decoded(text: string): Promise<{ size: number; memory: Buffer; steps: number }> {
  const memory = Buffer.concat([Buffer.from('<<<'), Buffer.from(text, 'latin1'), Buffer.from('>>>')]);
  const pace = new CountingPace();
  return { size: await decodeBase64(memory, 3, text.length, pace), memory, steps: pace.steps };
}

describe('base64 in its place', () => {
  it('becomes the bytes that it was made of, and touches nothing beside it', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (bytes) => {
        const text = Buffer.from(bytes).toString('base64');
        const { size, memory } = await decoded(text);
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
  ])('is refused as %j', async (text) => {
    expect((await decoded(text)).size).toBe(-1);
  });

  it('of nothing is nothing', async () => {
    expect((await decoded('')).size).toBe(0);
  });

  it('is decoded step by step where it is long', async () => {
    for (const length of [(BASE64_STEP_BYTES / 4) * 3, 2_000_001]) {
      const bytes = Buffer.from(Uint8Array.from({ length }, (_, i) => (i * 7919) >> 3));
      const text = bytes.toString('base64');
      const { size, memory, steps } = await decoded(text);
      expect([size, steps]).toEqual([length, Math.ceil(text.length / BASE64_STEP_BYTES)]);
      expect(memory.subarray(3, 3 + size).equals(bytes)).toBe(true);
      expect(memory.toString('latin1', 3 + text.length)).toBe('>>>');
    }
  });

  it('is refused where it is padded in its middle, which may be the end of a step', async () => {
    const step = 'A'.repeat(BASE64_STEP_BYTES - 4);
    for (const text of [`${step}QQ==QUJD`, `${step}QUI=QUJD`, `${step}AAAAQQ==QUJD`, `${step}AAAA=`]) {
      expect((await decoded(text)).size).toBe(-1);
    }
    expect((await decoded(`${step}AAAAQUI=`)).size).toBe((BASE64_STEP_BYTES / 4) * 3 + 2);
  });
});
