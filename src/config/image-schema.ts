/** `preprocess` of a model.yaml: what may stand there, and presets and defaults filled in to one declaration. */

import { z } from 'zod';
import { type ImageDeclaration, WHITE } from '../core/image.ts';
import { IMAGE_DEFAULTS, IMAGE_PRESETS, type ImagePreset } from './image-presets.ts';

/** Longest side of a tensor, pixels: a typing error must not ask for all memory. */
const MOST_SIDE = 16_384;

/** A pixel of 0..255 to 0..1. */
const UNIT_SCALE = 1 / WHITE;

/** Filters that there are with antialias only. */
const ALWAYS_SMOOTH: readonly ImageDeclaration['resize']['filter'][] = ['lanczos3', 'area'];

const side = z.int().min(1).max(MOST_SIDE);
const polarityWord = z.enum(['dark-on-light', 'light-on-dark']);
const PRESET_NAMES = Object.keys(IMAGE_PRESETS) as (keyof typeof IMAGE_PRESETS)[];

/** A finite number or a fraction as text, since YAML has no way to write 1/255. */
function quantity(accepts: (value: number) => boolean, expected: string) {
  const read = (value: unknown) => {
    const fraction = typeof value === 'string' ? /^(\d+(?:\.\d+)?)\/(\d+(?:\.\d+)?)$/.exec(value) : null;
    return fraction === null ? value : Number(fraction[1]) / Number(fraction[2]);
  };
  const isFine = (value: unknown) => typeof value === 'number' && Number.isFinite(value) && accepts(value);
  return z.preprocess(read, z.custom<number>(isFine, expected));
}

/** One number for all channels, or a list of one for each. */
function perChannel(accepts: (value: number) => boolean, expected: string) {
  const one = quantity(accepts, expected);
  return z.preprocess((value) => (Array.isArray(value) ? value : [value]), z.array(one).min(1).max(3));
}

const resize = z.strictObject({
  width: side.optional(),
  height: side.optional(),
  mode: z.enum(['stretch', 'cover', 'contain', 'shortest-side']).optional(),
  shortestSide: side.optional(),
  filter: z.enum(['nearest', 'bilinear', 'bicubic', 'lanczos3', 'area']).optional(),
  antialias: z.boolean().optional(),
  pad: z.int().min(0).max(255).optional(),
});

const polarity = z.strictObject({ model: polarityWord.optional(), pictures: polarityWord.optional() });

const image = z.strictObject({
  preset: z.enum(PRESET_NAMES).optional(),
  resize: resize.default({}),
  crop: z.enum(['center', 'none']).optional(),
  color: z.enum(['RGB', 'BGR', 'GRAY']).optional(),
  layout: z.enum(['NCHW', 'NHWC']).optional(),
  scale: quantity((value) => value > 0, 'a number above 0, or a fraction like 1/255').optional(),
  mean: perChannel(() => true, 'a number or a list of one per channel').optional(),
  std: perChannel((value) => value > 0, 'a number above 0 or a list of one per channel').optional(),
  datatype: z.enum(['FP32', 'FP16', 'UINT8']).optional(),
  orientation: z.enum(['exif', 'ignore']).optional(),
  polarity: polarity.optional(),
  exact: z.boolean().default(true),
});

type Stated = z.output<typeof image>;
type Issues = z.RefinementCtx;

const completed = image.transform((stated, issues): Omit<ImageDeclaration, 'input'> => complete(stated, issues));

const declaration = z.strictObject({ input: z.string().min(1), image: completed });

/** What the key `preprocess` takes. */
export const preprocessSchema = declaration.transform(
  ({ input, image: rest }): ImageDeclaration => ({ input, ...rest }),
);

const KEYS: Readonly<Record<string, z.ZodObject>> = {
  '': declaration,
  image,
  'image.resize': resize,
  'image.polarity': polarity,
};

/** The keys known at a path below `preprocess`. */
export function preprocessKeys(path: readonly PropertyKey[]): readonly string[] {
  return Object.keys(KEYS[path.map(String).join('.')]?.shape ?? {});
}

/** The declaration with everything filled in; what does not go together is told to `issues`. */
function complete(stated: Stated, issues: Issues): Omit<ImageDeclaration, 'input'> {
  const base: ImagePreset = stated.preset === undefined ? IMAGE_DEFAULTS : IMAGE_PRESETS[stated.preset];
  const size = completeResize(stated.resize, base, issues);
  const color = stated.color ?? base.color;
  const datatype = stated.datatype ?? base.datatype;
  const { layout = base.layout, orientation = base.orientation, exact } = stated;
  return {
    resize: size,
    crop: completeCrop(stated.crop, size.mode, issues),
    color,
    layout,
    ...completeValues(stated, base, color, datatype, issues),
    datatype,
    orientation,
    polarity: completePolarity(stated.polarity, base, issues),
    exact,
  };
}

function completeResize(
  stated: Stated['resize'],
  { resize: base }: ImagePreset,
  issues: Issues,
): ImageDeclaration['resize'] {
  const { width = base.width, height = base.height, mode = base.mode } = stated;
  const { filter = base.filter, antialias = base.antialias, pad = base.pad } = stated;
  const shortest = mode === 'shortest-side';
  const shortestSide = shortest ? (stated.shortestSide ?? base.shortestSide) : null;
  if (!antialias && ALWAYS_SMOOTH.includes(filter)) {
    told(issues, ['resize', 'antialias'], `true with filter ${filter}: only bilinear and bicubic exist without`);
  }
  const path = ['resize', 'shortestSide'];
  if (!shortest && stated.shortestSide !== undefined) {
    told(issues, path, `mode: shortest-side beside it (mode is ${mode}), or no such key`);
  }
  // What a preset says of it belongs to the preset's size.
  const otherSize = width !== base.width || height !== base.height;
  if (shortestSide !== null && stated.shortestSide === undefined && otherSize) {
    told(issues, path, `a value beside another size: the preset has ${shortestSide} for ${base.width}x${base.height}`);
  }
  return { width, height, mode, shortestSide, filter, antialias, pad };
}

/** What is cropped follows from the mode; a key that says otherwise was meant differently. */
function completeCrop(stated: Stated['crop'], mode: ImageDeclaration['resize']['mode'], issues: Issues) {
  const crop = mode === 'cover' || mode === 'shortest-side' ? 'center' : 'none';
  if (stated === undefined || stated === crop) return crop;
  const instead = crop === 'center' ? 'stretch or contain' : 'cover or shortest-side';
  told(issues, ['crop'], `${crop} with mode ${mode} (for ${stated} set mode to ${instead})`);
  return crop;
}

/** Scale, mean and std; raw bytes have none. */
function completeValues(
  stated: Stated,
  base: ImagePreset,
  color: ImageDeclaration['color'],
  datatype: ImageDeclaration['datatype'],
  issues: Issues,
): Pick<ImageDeclaration, 'scale' | 'mean' | 'std'> {
  const channels = color === 'GRAY' ? 1 : 3;
  if (datatype === 'UINT8') {
    for (const key of ['scale', 'mean', 'std'] as const) {
      if (stated[key] !== undefined) told(issues, [key], 'no such key with datatype UINT8, whose pixels stay 0..255');
    }
    return { scale: 1, mean: Array(channels).fill(0), std: Array(channels).fill(1) };
  }
  const spread = (key: 'mean' | 'std') => {
    const values = stated[key] ?? base[key];
    if (values.length === channels) return values;
    if (values.length === 1) return Array<number>(channels).fill(values[0] as number);
    told(issues, [key], `a number or a list of ${channels} for color ${color}`);
    return values;
  };
  // A preset's colours are in the order of RGB.
  const inOrder = (key: 'mean' | 'std') =>
    color === 'BGR' && stated[key] === undefined ? spread(key).toReversed() : spread(key);
  const values = { scale: stated.scale ?? UNIT_SCALE, mean: inOrder('mean'), std: inOrder('std') };
  if (!fitsFloat(values)) told(issues, ['std'], 'values with which every pixel is a number of float32');
  return values;
}

/** Whether the factor and the summand of every channel are. */
function fitsFloat({ scale, mean, std }: Pick<ImageDeclaration, 'scale' | 'mean' | 'std'>): boolean {
  const isFine = (value: number) => Number.isFinite(Math.fround(WHITE * value));
  return std.every((s, c) => isFine(scale / s) && isFine((WHITE * scale + Math.abs(mean[c] as number)) / s));
}

function completePolarity(stated: Stated['polarity'], base: ImagePreset, issues: Issues): ImageDeclaration['polarity'] {
  if (stated === undefined) return base.polarity;
  const model = stated.model ?? base.polarity?.model;
  if (model === undefined) {
    told(issues, ['polarity', 'model'], 'dark-on-light or light-on-dark: what the model was trained on');
    return null;
  }
  return { model, pictures: stated.pictures ?? base.polarity?.pictures ?? model };
}

function told(issues: Issues, path: string[], message: string): void {
  issues.addIssue({ code: 'custom', path, message });
}
