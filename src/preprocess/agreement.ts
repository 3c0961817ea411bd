/** Whether what a model.yaml says of images and answers agrees with the model: every mistake as a sentence that says what to write. */

import type { BoxesDeclaration, ImageDeclaration, OutputDeclaration } from '../core/image.ts';
import type { ModelPolicy } from '../core/model.ts';
import { elementCount, type Signature, type TensorSpec } from '../core/tensor.ts';
import { besideBoxes, boxForm, boxFormText } from './box-form.ts';
import { type InputForm, inputForm, inputSize } from './input-form.ts';

/** A version, as far as images are concerned. */
export interface ImageModel {
  readonly model: string;
  readonly version: string;
  readonly policy: Pick<ModelPolicy, 'preprocess' | 'postprocess'>;
  readonly signature: Signature;
  /** Per output name, one label a class. */
  readonly labels: ReadonlyMap<string, readonly string[]>;
}

const IMAGE_DATATYPES: ReadonlySet<string> = new Set<ImageDeclaration['datatype']>(['FP32', 'FP16', 'UINT8']);
const FLOAT_DATATYPES: ReadonlySet<string> = new Set(['FP32', 'FP16']);

/** A mistake: the key, what it should say, and what was found. */
type Mistake = readonly [key: string, expected: string, found: string];

/** Everything that does not agree, `model/model.yaml: key: expected ..., found ...`; empty where all does. */
export function disagreements({ model, version, policy, signature, labels }: ImageModel): string[] {
  const { preprocess, postprocess } = policy;
  if (preprocess === null) return [];
  const mistakes = [
    ...inputMistakes(preprocess, signature),
    ...Object.entries(postprocess).flatMap(([name, declared]) => outputMistakes(name, declared, signature, labels)),
    ...nameMistakes(postprocess),
  ];
  return mistakes.map(
    ([key, expected, found]) =>
      `${model}/model.yaml: ${key}: expected ${expected}, found ${found} (version ${version})`,
  );
}

function inputMistakes(declared: ImageDeclaration, signature: Signature): Mistake[] {
  const spec = signature.inputs.find(({ name }) => name === declared.input);
  if (spec === undefined) return [['preprocess.input', oneOf(signature.inputs, 'input'), `'${declared.input}'`]];
  if (!IMAGE_DATATYPES.has(spec.datatype.name)) {
    return [['preprocess.input', 'an input of FP32, FP16 or UINT8', shown(spec)]];
  }
  if (!isBatch(spec.shape[0])) {
    return [['preprocess.input', 'an input whose first dimension is free or 1, one row an image', shown(spec)]];
  }
  const datatype: Mistake[] =
    spec.datatype.name === declared.datatype
      ? []
      : [['preprocess.image.datatype', spec.datatype.name, `${declared.datatype}; the input is ${shown(spec)}`]];
  return [...datatype, ...formMistakes(declared, spec)];
}

function formMistakes(declared: ImageDeclaration, spec: TensorSpec): Mistake[] {
  const { layout, color } = declared;
  const channels = color === 'GRAY' ? 1 : 3;
  const form = inputForm(spec.shape, layout, channels === 1);
  if (form === null) return spec.shape.length === 2 ? flatMistakes(declared, spec, channels) : [rankMistake(spec)];
  if (isOpen(form.channels) || form.channels === channels) return sizeMistakes(declared, form, spec);
  const other = layout === 'NCHW' ? 'NHWC' : 'NCHW';
  const turned = inputForm(spec.shape, other, false)?.channels;
  if (turned === channels) return [['preprocess.image.layout', other, `${layout}; the input is ${shown(spec)}`]];
  const colors = form.channels === 1 ? 'GRAY' : form.channels === 3 ? 'RGB or BGR' : null;
  if (colors !== null) return [['preprocess.image.color', colors, `${color}; the input is ${shown(spec)}`]];
  return [['preprocess.input', `an input with 1 or 3 channels (layout is ${layout})`, shown(spec)]];
}

function rankMistake(spec: TensorSpec): Mistake {
  return ['preprocess.input', 'an input of four dimensions, batch, channels, height and width', shown(spec)];
}

/** Width and height: equal where the input's are fixed, stated where they are not. */
function sizeMistakes({ resize }: ImageDeclaration, form: InputForm, spec: TensorSpec): Mistake[] {
  return (['width', 'height'] as const).flatMap((side): Mistake[] => {
    const key = `preprocess.image.resize.${side}`;
    const stated = resize[side];
    if (!isOpen(form[side])) {
      const agrees = stated === null || stated === form[side];
      return agrees ? [] : [[key, String(form[side]), `${stated}; the input is ${shown(spec)}`]];
    }
    return stated === null ? [[key, 'a number of pixels', `nothing; the input leaves it open: ${shown(spec)}`]] : [];
  });
}

/** A row without form has to have as many values as the image. */
function flatMistakes(declared: ImageDeclaration, spec: TensorSpec, channels: number): Mistake[] {
  const { width, height } = inputSize(declared, spec.shape);
  const key = 'preprocess.image.resize';
  if (isOpen(width) || isOpen(height))
    return [[key, 'width and height', `not both; the input is flat: ${shown(spec)}`]];
  const values = width * height * channels;
  if (isOpen(spec.shape[1]) || spec.shape[1] === values) return [];
  const found = `${width} * ${height} * ${channels} = ${values}; the input is ${shown(spec)}`;
  return [[key, `a width and height that give ${spec.shape[1]} values`, found]];
}

function outputMistakes(
  name: string,
  declared: OutputDeclaration,
  signature: Signature,
  labels: ImageModel['labels'],
): Mistake[] {
  const key = `postprocess.${name}`;
  const spec = signature.outputs.find((output) => output.name === name);
  if (spec === undefined) return [[key, oneOf(signature.outputs, 'output'), `'${name}'`]];
  if (!FLOAT_DATATYPES.has(spec.datatype.name)) return [[key, 'an output of FP32 or FP16', shown(spec)]];
  if (!isBatch(spec.shape[0])) {
    return [[key, 'an output whose first dimension is free or 1, one row an image', shown(spec)]];
  }
  const classes = declared.kind === 'boxes' ? boxClasses(declared, spec) : rowClasses(spec);
  if (typeof classes === 'string') return [[key, classes, shown(spec)]];
  const count = labels.get(name)?.length ?? classes;
  if (isOpen(classes) || count === classes) return [];
  return [[`labels.${name}`, `a file of ${classes} labels, one a class`, `${count}; the output is ${shown(spec)}`]];
}

/** Whether an output is rows of classes with a label for each, which `postprocess` could be said of. */
export function holdsClasses({ datatype, shape }: TensorSpec, labels: readonly string[] | undefined): boolean {
  if (labels === undefined || !FLOAT_DATATYPES.has(datatype.name) || !isBatch(shape[0])) return false;
  const classes = rowClasses({ shape });
  return typeof classes === 'number' && (isOpen(classes) || classes === labels.length);
}

/** How many classes an output has, -1 where that is open; or what it should be where it is none. */
function rowClasses({ shape }: Pick<TensorSpec, 'shape'>): number | string {
  return shape.length < 2 ? 'an output of rows of classes' : elementCount(shape, 1);
}

function boxClasses({ layout }: BoxesDeclaration, { shape }: TensorSpec): number | string {
  return boxForm(layout, shape)?.classes ?? `an output of the form ${boxFormText(layout)} for layout ${layout}`;
}

/** What accompanies boxes has names of its own; an output that has one too would be answered twice. */
function nameMistakes(postprocess: ImageModel['policy']['postprocess']): Mistake[] {
  return Object.entries(postprocess).flatMap(([name, { kind }]): Mistake[] => {
    const beside = kind === 'boxes' ? Object.values(besideBoxes(name)) : [];
    const taken = beside.filter((other) => Object.hasOwn(postprocess, other));
    return taken.map((other) => [
      `postprocess.${other}`,
      `no such key beside the boxes of '${name}'`,
      'an output of their name',
    ]);
  });
}

function isOpen(dimension: number): boolean {
  return dimension < 0;
}

function isBatch(dimension: number | undefined): boolean {
  return dimension === -1 || dimension === 1;
}

function oneOf(specs: readonly TensorSpec[], what: string): string {
  return `the name of an ${what} (${specs.map(({ name }) => name).join(', ')})`;
}

function shown({ name, datatype, shape }: TensorSpec): string {
  return `'${name}', ${datatype.name} [${shape.join(', ')}]`;
}
