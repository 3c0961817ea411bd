import { describe, expect, test } from 'vitest';
import type { ImageHeader } from '../../../src/native/image-header.ts';
import { Image } from '../../../src/native/image-words.ts';
import { type DecodePlan, decodePlan } from '../../../src/preprocess/decode-plan.ts';
import { pipelineOf } from '../../support/pictures.ts';

function headerOf(width: number, height: number, more: Partial<ImageHeader> = {}): ImageHeader {
  const fixed = { status: 'ok', bits: 8, frames: 1, coding: 'rows', packed: 0, groups: 0, truncated: false } as const;
  return { ...fixed, format: 'jpeg', width, height, channels: 3, colour: 'rgb', orientation: 1, ...more };
}

function planOf(keys: string, header: ImageHeader, shape = [-1, 3, 64, 64]): DecodePlan {
  const pipeline = pipelineOf(keys, shape);
  return decodePlan(header, pipeline, pipeline.straight);
}

const sourceOf = ({ task }: DecodePlan) => [task.ints[Image.WIDTH], task.ints[Image.HEIGHT]];
const resizedOf = ({ task }: DecodePlan) => [task.ints[Image.RESIZED_WIDTH], task.ints[Image.RESIZED_HEIGHT]];

describe('a picture is turned', () => {
  test.each([
    [1, false, 0],
    [2, true, 0],
    [3, false, 180],
    [4, true, 180],
    [5, true, 270],
    [6, false, 90],
    [7, true, 90],
    [8, false, 270],
  ])('by orientation %i', (orientation, mirrored, degrees) => {
    const plan = planOf('', headerOf(40, 30, { orientation }));
    expect(plan.task).toMatchObject({ turn: { mirrored, degrees }, stored: { width: 40, height: 30 } });
    expect(sourceOf(plan)).toEqual(orientation >= 5 ? [30, 40] : [40, 30]);
    expect(plan.geometry.picture.width).toBe(orientation >= 5 ? 30 : 40);
  });

  test('not where the pipeline ignores that', () => {
    const plan = planOf('orientation: ignore', headerOf(40, 30, { orientation: 6 }));
    expect(plan.task.turn).toEqual({ mirrored: false, degrees: 0 });
    expect(sourceOf(plan)).toEqual([40, 30]);
  });
});

describe('a JPEG is decoded smaller', () => {
  const loose = (keys: string, width: number, height: number, more: Partial<ImageHeader> = {}) =>
    planOf(`exact: false${keys}`, headerOf(width, height, more));

  test('to its scaled size, of which the kernel then cuts its window', () => {
    const plan = loose(', resize: { mode: cover }', 400, 300);
    expect(plan.task.shrunk).toEqual({ width: 85, height: 64 });
    expect([sourceOf(plan), resizedOf(plan)]).toEqual([
      [85, 64],
      [85, 64],
    ]);
    expect(plan.task.ints[Image.CROP_WIDTH]).toBe(64);
  });

  test('before it is turned', () => {
    const plan = loose(', resize: { mode: cover }', 400, 300, { orientation: 6 });
    expect(plan.task).toMatchObject({ shrunk: { width: 85, height: 64 }, turn: { degrees: 90 } });
    expect(sourceOf(plan)).toEqual([64, 85]);
  });

  test.each([
    ['exact, which is the default', () => planOf('', headerOf(400, 300))],
    ['hardly smaller', () => loose('', 191, 300)],
    ['larger', () => loose('', 20, 20)],
    ['no JPEG', () => loose('', 400, 300, { format: 'png' })],
    ['to be of its own pixels', () => loose(', resize: { filter: nearest }', 400, 300)],
  ])('not where it is %s', (_, make) => {
    expect(make().task.shrunk).toBeNull();
  });

  test.each([
    ['bilinear', 'linear'],
    ['area', 'linear'],
    ['bicubic', 'cubic'],
    ['lanczos3', 'lanczos3'],
  ])('with a filter like its own: %s', (filter, kernel) => {
    expect(loose(`, resize: { filter: ${filter} }`, 400, 300).task).toMatchObject({ kernel, shrunk: { width: 64 } });
  });
});

test('a gray one is expected in one channel, with alpha or without, and a coloured one in as many as it says', () => {
  expect(planOf('', headerOf(9, 9, { colour: 'gray', channels: 2 })).task).toMatchObject({ gray: true, channels: 1 });
  expect(planOf('', headerOf(9, 9, { channels: 4 })).task).toMatchObject({ gray: false, channels: 4 });
  expect(planOf('', headerOf(9, 9, { colour: 'palette' })).task).toMatchObject({ gray: false, channels: 3 });
  const deep = { colour: 'gray', format: 'png', bits: 16 } as const;
  expect(planOf('', headerOf(9, 9, { ...deep, channels: 2 })).task).toMatchObject({ gray: false, channels: 4 });
});

test('I9 a sliver may be scaled to a side of millions, but not beyond what the kernel takes', () => {
  expect(resizedOf(planOf('preset: imagenet', headerOf(1, 65_535), [-1, 3, 224, 224]))).toEqual([256, 16_776_960]);
  const keys = 'resize: { mode: cover }';
  expect(() => planOf(keys, headerOf(1, 65_535), [-1, 3, 640, 640])).toThrow(
    'the image is too narrow: 1 x 65535 pixels cannot be scaled to cover',
  );
});
