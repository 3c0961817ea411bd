import { describe, expect, it } from 'vitest';
import { planPicture } from '../../../src/codec/headless.ts';
import { type PictureInput, pictureFiles, queryWishes } from '../../../src/codec/picture-plan.ts';
import { type PlanModel, planRequest, type RequestPlan } from '../../../src/codec/plan.ts';
import { type Datatype, datatype } from '../../../src/core/datatype.ts';

const tensor = (name: string, type: Datatype, ...shape: number[]) => ({ name, datatype: datatype(type), shape });

function model(outputs: readonly Datatype[] = ['FP32'], declared: Partial<PictureInput> = {}): PlanModel {
  const inputs = [tensor('scale', 'FP32', -1, 2), tensor('image', 'FP32', -1, 3, 4, 5)];
  return {
    signature: { inputs, outputs: outputs.map((type, i) => tensor(`y${i}`, type, -1, 7)) },
    maxBatchSize: 8,
    pictures: {
      input: 1,
      files: pictureFiles('image', -1),
      rowDims: [3, 4, 5],
      polarity: true,
      answers: true,
      ...declared,
    },
  };
}

const SCALE = (rows: number) => ({ name: 'scale', datatype: 'FP32', shape: [rows, 2], data: Array(2 * rows).fill(1) });
const FILES = { name: 'image', datatype: 'BYTES', shape: [3], data: ['QQ==', 'QQ==', 'QQ=='] };

function planned(body: object, of = model(), binary = false): RequestPlan {
  return planRequest(JSON.stringify({ inputs: [SCALE(3), FILES], ...body }), of, binary);
}

/** Of one input, which a body can be. */
const single = (outputs?: readonly Datatype[], declared: Partial<PictureInput> = {}): PlanModel => {
  const { signature, pictures, ...rest } = model(outputs, { input: 0, ...declared });
  return { ...rest, pictures, signature: { ...signature, inputs: [signature.inputs[1]] } };
};

describe('files in place of a tensor', () => {
  it('are planned as the rows that they become', () => {
    const { rows, shapeKey, inputs, pictures } = planned({});
    expect({ rows, shapeKey }).toEqual({ rows: 3, shapeKey: '2,3x4x5' });
    expect(inputs[1]).toMatchObject({ dims: [3, 3, 4, 5], elements: 3, source: 'json', base64: true, files: true });
    expect(inputs[0]).toMatchObject({ dims: [3, 2], elements: 6, base64: false, files: false });
    expect(pictures).toEqual({ input: 1, polarity: null, classification: null, declared: true, binary: false });
  });

  it('travel with tensors of the same rows', () => {
    const image = { name: 'image', datatype: 'FP32', shape: [3, 3, 4, 5], data: Array(180).fill(1) };
    const tensors = planned({ inputs: [image, SCALE(3)] });
    expect(tensors.pictures).toBeNull();
    expect(tensors.shapeKey).toBe(planned({}).shapeKey);
  });

  it('may be in binary form, of whatever length', () => {
    const parameters = { binary_data_size: 99 };
    const binary = planned({ inputs: [SCALE(3), { ...FILES, data: null, parameters }] }, model(), true);
    expect(binary.inputs[1]).toMatchObject({ source: 'binary', bytes: 99, base64: false, files: true });
    const implied = planned({ inputs: [{ ...FILES, data: null, shape: [1, 1] }] }, single(), true);
    expect(implied.inputs[0]).toMatchObject({ source: 'implied', bytes: -1, elements: 1, dims: [1, 3, 4, 5] });
  });

  it.each([
    ['of no element', { inputs: [SCALE(0), { ...FILES, shape: [0] }] }, "input 'image' has no picture"],
    ['of other rows', { inputs: [SCALE(2), FILES] }, "input 'image' has batch size 3, input 'scale' has 2"],
    ['of more rows than a batch', { inputs: [SCALE(9), { ...FILES, shape: [9] }] }, 'above the model'],
    [
      'with a shape of their own',
      { inputs: [SCALE(3), { ...FILES, shape: [3, 2] }] },
      'expects shape [-1], found [3,2]',
    ],
    ['that cannot be counted', { inputs: [SCALE(3), { ...FILES, shape: [2 ** 50] }] }, 'can be counted'],
    ['for an input that takes none', { inputs: [{ ...FILES, name: 'scale' }] }, 'expects datatype FP32, found BYTES'],
  ])('are refused %s', (_what, body, sentence) => {
    expect(() => planned(body)).toThrow(sentence);
  });

  it('are refused by a model that takes tensors only', () => {
    expect(() => planned({}, { ...model(), pictures: null })).toThrow('expects datatype FP32, found BYTES');
  });
});

describe('what is answered to pictures', () => {
  it('are the outputs that are named, as tensors', () => {
    const outputs = [{ name: 'y0', parameters: { classification: 3 } }];
    const plan = planned({ outputs, parameters: { classification: 2 } });
    expect(plan.pictures?.declared).toBe(false);
    expect(plan.outputs).toMatchObject([{ index: 0, classification: 3 }]);
  });

  it('is what is declared where none is named, in the form that is asked for', () => {
    const plan = planned({ outputs: [], parameters: { binary_data_output: true, classification: 2 } });
    expect(plan.outputs).toEqual([]);
    expect(plan.pictures).toMatchObject({ declared: true, binary: true, classification: 2 });
  });

  it('are all outputs where nothing is declared, or so many classes of each', () => {
    const of = model(['FP32', 'INT64'], { answers: false });
    expect(planned({}, of).outputs).toMatchObject([{ classification: 0 }, { classification: 0 }]);
    expect(planned({ parameters: { classification: 2 } }, of).outputs).toMatchObject([
      { classification: 2 },
      { classification: 2 },
    ]);
  });

  it('has no form in JSON where an output is FP16, but for the declared and for bodies', () => {
    expect(planned({}, model(['FP16'])).pictures?.declared).toBe(true);
    expect(() => planned({}, model(['FP16'], { answers: false }))).toThrow('has no JSON form');
    const wishes = { polarity: null, classification: null };
    const body = planPicture(10, single(['FP16', 'FP32'], { answers: false }), wishes);
    expect(body.outputs.map(({ binary }) => binary)).toEqual([true, false]);
    const classes = planPicture(10, single(['FP16'], { answers: false }), { ...wishes, classification: 1 });
    expect(classes.outputs).toMatchObject([{ binary: false, classification: 1 }]);
  });

  it('is a body of no more classes than are answered to one request', () => {
    const { signature, ...rest } = single(['FP32'], { answers: false });
    const wide = { ...rest, signature: { ...signature, outputs: [tensor('y', 'FP32', -1, 20_000)] } };
    const asked = (classification: number) => () => planPicture(10, wide, { polarity: null, classification });
    expect(asked(16_384)).not.toThrow();
    expect(asked(16_385)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT', limit: 'answers' }));
  });

  it('leaves parameters of the same names to callers who send tensors', () => {
    const inputs = [SCALE(1), { name: 'image', datatype: 'FP32', shape: [1, 3, 4, 5], data: Array(60).fill(1) }];
    expect(planned({ inputs, parameters: { classification: 'mine', polarity: 7 } }).pictures).toBeNull();
  });

  it.each([
    [{ classification: 0 }, "'classification' must be a whole number of at least 1"],
    [{ classification: '2' }, "'classification' must be a whole number of at least 1"],
    [{ polarity: 'gray' }, "'polarity' must be dark-on-light or light-on-dark"],
    [{ polarity: 1 }, "'polarity' must be dark-on-light or light-on-dark"],
  ])('is refused with %j', (parameters, sentence) => {
    expect(() => planned({ parameters })).toThrow(sentence);
  });

  it('may not have a polarity where the model declares none', () => {
    const parameters = { polarity: 'dark-on-light' };
    expect(planned({ parameters }).pictures?.polarity).toBe('dark-on-light');
    expect(() => planned({ parameters }, model(['FP32'], { polarity: false }))).toThrow('the model declares none');
  });
});

describe('a body that is a picture', () => {
  it('is one row of the one input', () => {
    const { pictures } = single();
    const plan = planPicture(
      123,
      single(),
      queryWishes('classification=3&polarity=light-on-dark&x=y', pictures as PictureInput),
    );
    expect(plan).toMatchObject({ rows: 1, shapeKey: '3x4x5', outputs: [], hasJson: false });
    expect(plan.inputs).toMatchObject([{ dims: [1, 3, 4, 5], elements: 1, bytes: 123, files: true }]);
    expect(plan.pictures).toMatchObject({
      classification: 3,
      polarity: 'light-on-dark',
      declared: true,
      binary: false,
    });
  });

  it('is refused by a model of several inputs', () => {
    expect(() => planPicture(1, model(), { polarity: null, classification: null })).toThrow('exactly one input');
  });
});
