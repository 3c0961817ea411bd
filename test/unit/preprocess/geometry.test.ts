import { describe, expect, test } from 'vitest';
import type { ResizeMode } from '../../../src/core/image.ts';
import { geometry, onPicture, roundHalfEven } from '../../../src/preprocess/geometry.ts';

/** The geometry as numbers in rows: scaled size, window, place on the canvas. */
function of(mode: ResizeMode, canvas: readonly [number, number], picture: readonly [number, number], shortestSide = 0) {
  const target = { mode, width: canvas[0], height: canvas[1], shortestSide };
  const { scaled, window, at } = geometry(target, { width: picture[0], height: picture[1] });
  return [
    [scaled.width, scaled.height],
    [window.x, window.y, window.width, window.height],
    [at.x, at.y],
  ];
}

// Worked out by torchvision's formulas: long = int(256 * long / short), offset = int(round((side - 224) / 2.0)).
describe('shortest-side is Resize(256) and CenterCrop(224)', () => {
  test.each([
    [500, 375, [341, 256], [58, 16]],
    [640, 480, [341, 256], [58, 16]],
    [480, 640, [256, 341], [16, 58]],
    [333, 500, [256, 384], [16, 80]],
    [1000, 999, [256, 256], [16, 16]],
    [343, 256, [343, 256], [60, 16]],
    [224, 224, [256, 256], [16, 16]],
    [1, 1, [256, 256], [16, 16]],
    [3, 4000, [256, 341_333], [16, 170_554]],
  ])('for %i x %i', (width, height, scaled, offset) => {
    expect(of('shortest-side', [224, 224], [width, height], 256)).toEqual([scaled, [...offset, 224, 224], [0, 0]]);
  });

  test.each([
    ['both sides too short', [200, 100], 100, [200, 100], [0, 0, 200, 100], [12, 62]],
    ['one side too short', [300, 100], 100, [300, 100], [38, 0, 224, 100], [0, 62]],
    ['an odd rest', [202, 101], 101, [202, 101], [0, 0, 202, 101], [11, 61]],
  ] as const)(
    'a crop larger than the picture is padded, more below and to the right: %s',
    (_what, picture, side, ...expected) => {
      expect(of('shortest-side', [224, 224], picture, side)).toEqual(expected);
    },
  );
});

// Worked out by ultralytics' LetterBox: round(side * r), then round(rest / 2 - 0.1) before it.
describe('contain is LetterBox((640, 640), auto=False)', () => {
  test.each([
    [1280, 720, [640, 360], [0, 140]],
    [810, 1080, [480, 640], [80, 0]],
    [500, 375, [640, 480], [0, 80]],
    [333, 500, [426, 640], [107, 0]],
    [335, 500, [429, 640], [105, 0]],
    [640, 427, [640, 427], [0, 106]],
    [1280, 721, [640, 360], [0, 140]],
    [1280, 723, [640, 362], [0, 139]],
    [20, 30, [427, 640], [106, 0]],
    [640, 640, [640, 640], [0, 0]],
  ])('for %i x %i', (width, height, scaled, at) => {
    expect(of('contain', [640, 640], [width, height])).toEqual([scaled, [0, 0, ...scaled], at]);
  });

  test('for a sliver, which keeps one pixel', () => {
    expect(of('contain', [640, 640], [1, 2000])).toEqual([
      [1, 640],
      [0, 0, 1, 640],
      [319, 0],
    ]);
  });

  test('for a canvas that is no square', () => {
    expect(of('contain', [640, 480], [1000, 1000])).toEqual([
      [480, 480],
      [0, 0, 480, 480],
      [80, 0],
    ]);
  });
});

describe('cover fills the canvas and cuts what stands over, at both ends', () => {
  test.each([
    [
      [200, 100],
      [400, 400],
      [200, 200],
      [0, 50],
    ],
    [
      [200, 100],
      [400, 100],
      [400, 100],
      [100, 0],
    ],
    [
      [224, 224],
      [500, 375],
      [298, 224],
      [37, 0],
    ],
    [
      [224, 224],
      [375, 500],
      [224, 298],
      [0, 37],
    ],
    [
      [8, 8],
      [1, 1],
      [8, 8],
      [0, 0],
    ],
  ] as const)('%j from %j', (canvas, picture, scaled, offset) => {
    expect(of('cover', canvas, picture)).toEqual([scaled, [...offset, ...canvas], [0, 0]]);
  });
});

test('stretch takes all of the picture to all of the canvas', () => {
  expect(of('stretch', [8, 9], [1000, 3])).toEqual([
    [8, 9],
    [0, 0, 8, 9],
    [0, 0],
  ]);
});

describe('corners on the canvas are found on the picture', () => {
  const target = (mode: ResizeMode) => ({ mode, width: 640, height: 640, shortestSide: 0 });

  test('in a letterbox of 810 x 1080: less the bar, by the ratio', () => {
    const fitted = geometry(target('contain'), { width: 810, height: 1080 });
    const whole = onPicture(fitted, { x1: 80, y1: 0, x2: 560, y2: 640 });
    expect(whole).toEqual({ x1: 0, y1: 0, x2: 810, y2: 1080 });
    expect(onPicture(fitted, { x1: 100, y1: 50, x2: 300, y2: 400 })).toEqual({
      x1: 33.75,
      y1: 84.375,
      x2: 371.25,
      y2: 675,
    });
  });

  test('behind a crop: what was cut away is added', () => {
    const cut = geometry(target('cover'), { width: 1280, height: 640 });
    expect(onPicture(cut, { x1: 0, y1: 0, x2: 640, y2: 640 })).toEqual({ x1: 320, y1: 0, x2: 960, y2: 640 });
  });

  test('never beyond the edges of the picture', () => {
    const fitted = geometry(target('contain'), { width: 1280, height: 720 });
    const box = onPicture(fitted, { x1: -5, y1: 10, x2: 700, y2: 639 });
    expect(box).toEqual({ x1: 0, y1: 0, x2: 1280, y2: 720 });
  });
});

test('halves are rounded as Python rounds them', () => {
  const values = [-0.1, 0.4, 0.5, 0.6, 1.5, 2.5, 58.5, 59.5];
  expect(values.map(roundHalfEven).map((value) => value + 0)).toEqual([0, 0, 0, 1, 2, 2, 58, 60]);
});
