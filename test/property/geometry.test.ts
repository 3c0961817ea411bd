import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ResizeMode } from '../../src/core/image.ts';
import { type Geometry, geometry, onPicture } from '../../src/preprocess/geometry.ts';

const side = fc.oneof(fc.integer({ min: 1, max: 64 }), fc.integer({ min: 1, max: 20_000 }));
const modes = fc.constantFrom<ResizeMode>('stretch', 'cover', 'contain', 'shortest-side');

const cases = fc
  .record({
    mode: modes,
    width: side,
    height: side,
    shortestSide: side,
    picture: fc.record({ width: side, height: side }),
  })
  .map(({ picture, ...target }) => ({ target, picture, found: geometry(target, picture) }));

/** Where a point of the picture lies on the canvas. */
function onCanvas({ picture, scaled, window, at }: Geometry, x: number, y: number): readonly [number, number] {
  return [(x * scaled.width) / picture.width - window.x + at.x, (y * scaled.height) / picture.height - window.y + at.y];
}

describe('the geometry of any picture', () => {
  test('is whole numbers, a window inside the scaled picture, and a place for it inside the canvas', () => {
    fc.assert(
      fc.property(cases, ({ found: { scaled, window, at, canvas } }) => {
        const numbers = [scaled, window, at, canvas].flatMap((part) => Object.values(part) as number[]);
        expect(numbers.every((value) => Number.isSafeInteger(value) && value >= 0)).toBe(true);
        expect(window.width > 0 && window.height > 0).toBe(true);
        expect(window.x + window.width).toBeLessThanOrEqual(scaled.width);
        expect(window.y + window.height).toBeLessThanOrEqual(scaled.height);
        expect(at.x + window.width).toBeLessThanOrEqual(canvas.width);
        expect(at.y + window.height).toBeLessThanOrEqual(canvas.height);
      }),
    );
  });

  test('leaves nothing of the canvas free but in contain and in a crop larger than the picture', () => {
    fc.assert(
      fc.property(cases, ({ target, found: { scaled, window, canvas } }) => {
        const cropped = target.mode === 'shortest-side';
        if (target.mode === 'contain') {
          expect(window.width === canvas.width || window.height === canvas.height).toBe(true);
          return;
        }
        expect(window.width).toBe(cropped ? Math.min(scaled.width, canvas.width) : canvas.width);
        expect(window.height).toBe(cropped ? Math.min(scaled.height, canvas.height) : canvas.height);
      }),
    );
  });

  test('scales both sides by one ratio, to less than the pixel that rounding takes, but for stretch', () => {
    fc.assert(
      fc.property(cases, ({ target, picture, found: { scaled } }) => {
        if (target.mode === 'stretch') return;
        const ratios = [target.width / picture.width, target.height / picture.height];
        const shortest = target.shortestSide / Math.min(picture.width, picture.height);
        const fitted = target.mode === 'contain' ? Math.min(...ratios) : Math.max(...ratios);
        const ratio = target.mode === 'shortest-side' ? shortest : fitted;
        expect(Math.abs(scaled.width - picture.width * ratio)).toBeLessThan(1);
        expect(Math.abs(scaled.height - picture.height * ratio)).toBeLessThan(1);
      }),
    );
  });

  test('is undone for corners: to the canvas and back is where they were', () => {
    const share = fc.double({ min: 0, max: 1, noNaN: true });
    fc.assert(
      fc.property(cases, share, share, ({ picture, found }, u, v) => {
        const [x, y] = [u * picture.width, v * picture.height];
        const [x1, y1] = onCanvas(found, x, y);
        const back = onPicture(found, { x1, y1, x2: x1, y2: y1 });
        const tolerance = 1e-9 * Math.max(picture.width, picture.height, 1);
        expect(Math.abs(back.x1 - x)).toBeLessThanOrEqual(tolerance + (picture.width / found.scaled.width) * 1e-7);
        expect(Math.abs(back.y1 - y)).toBeLessThanOrEqual(tolerance + (picture.height / found.scaled.height) * 1e-7);
      }),
    );
  });
});
