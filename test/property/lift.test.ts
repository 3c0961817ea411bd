import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { LIFT_RESULT_LENGTH, Lift, LiftStatus, MAX_INPUTS, MAX_VALUES } from '../../src/native/binding.ts';
import { binding, compare, isWhole, kernel, read, target, withDefaults } from '../support/lift-difference.ts';
import { LIFT_PROPERTIES } from '../support/lift-properties.ts';
import { hostileRequest, MODEL, single, validRequest } from '../support/lift-requests.ts';

describe('lift and its reference agree', () => {
  test.each(LIFT_PROPERTIES.map(({ name, property, runs }) => [name, property, runs] as const))(
    '%s',
    (_name, property, numRuns) => {
      fc.assert(property, { numRuns });
    },
  );

  test.each(['[[],1]', '[[[]],[1]]', '[1,[]]', '[[1],1]', '[[1],[]]', '[[],[1]]', '[[],[[]]]', '[[[]],[]]'])(
    'that %s is ragged',
    (data) => {
      expect(compare(single('FP32', data), {}, true).status).toBe(LiftStatus.RAGGED);
    },
  );

  test('on depth, at the limit and one beyond it, wherever it lies', () => {
    const deep = (n: number) => '['.repeat(n) + ']'.repeat(n);
    const text = (n: number) => [
      deep(n),
      `{"a":${deep(n - 1)}}`,
      `{"inputs":[{"data":${deep(n - 3)}}]}`,
      `{"inputs":[{"name":"FP32","datatype":"FP32","data":${deep(n - 3)}}]}`,
    ];
    for (const maxDepth of [5, 100]) {
      for (const fits of text(maxDepth))
        expect(compare(Buffer.from(fits), { maxDepth }, true).status).toBe(LiftStatus.OK);
      for (const over of text(maxDepth + 1)) {
        expect(compare(Buffer.from(over), { maxDepth }, true).status).toBe(LiftStatus.TOO_DEEP);
      }
    }
    // An open document of a megabyte of brackets is refused, not walked into.
    expect(compare(Buffer.from('['.repeat(1_000_000)), {}, true).status).toBe(LiftStatus.TOO_DEEP);
  });

  test('on duplicate keys, few and many, plain and escaped, at every level', () => {
    const many = Array.from({ length: 40 }, (_, i) => `"k${i}":${i}`).join();
    const documents = [
      '{"a":1,"a":2}',
      '{"a":1,"\\u0061":2}',
      '{"x":{"é":1,"\\u00e9":2}}',
      `{${many},"\\u006b7":0}`,
      '{"inputs":[],"inputs":[]}',
      '{"id":"x","id":"y"}',
      '{"inputs":[{"data":[1],"name":"FP32","datatype":"FP32","data":[2]}]}',
      '{"inputs":[{"name":"FP32","name":"FP64"}]}',
      `[{${many}},{${many},"k0":1}]`,
    ];
    for (const text of documents) {
      expect(compare(Buffer.from(text), {}, true).status, text).toBe(LiftStatus.DUPLICATE_KEY);
    }
    expect(compare(Buffer.from(`{${many},"K7":0,"a":{"a":{"a":1}}}`), {}, true).status).toBe(LiftStatus.OK);
  });

  test('on the number of inputs', () => {
    const inputs = (n: number) => Buffer.from(`{"inputs":[${Array(n).fill('{}').join()}]}`);
    expect(compare(inputs(MAX_INPUTS), {}, true).inputs).toHaveLength(MAX_INPUTS);
    expect(compare(inputs(MAX_INPUTS + 1), {}, true).status).toBe(LiftStatus.TOO_MANY_INPUTS);
  });

  test('on the number of values besides the data', () => {
    // One for the outer array, and none for what stands in `data`.
    const values = (n: number) =>
      Buffer.from(
        `[${Array(n - 1)
          .fill('{}')
          .join()}]`,
      );
    expect(compare(values(MAX_VALUES), {}, true).status).toBe(LiftStatus.OK);
    expect(compare(values(MAX_VALUES + 1), {}, true).status).toBe(LiftStatus.TOO_MANY_VALUES);
    const data = `[${Array(MAX_VALUES).fill('1').join()}]`;
    expect(compare(single('FP32', data), { capacity: 4 * MAX_VALUES }, true).status).toBe(LiftStatus.OK);
  });

  test('on a byte order mark, emptiness, and bytes after the document', () => {
    for (const text of [
      '',
      ' ',
      '\ufeff{}',
      '{}\ufeff',
      '{} {}',
      '{}]',
      '{"a":1',
      '{"a"',
      '{',
      '[',
      '"',
      '{]',
      '[}',
      'nul',
    ]) {
      expect(compare(Buffer.from(text), {}, true).status, text).toBe(LiftStatus.SYNTAX);
    }
    for (const text of ['{}', ' [] ', '1', '"x"', 'null']) {
      expect(compare(Buffer.from(text), {}, true).status, text).toBe(LiftStatus.OK);
    }
  });
});

describe('lift', () => {
  test('finds the plan remembered for the skeleton, whatever id and data say', () => {
    const body = (id: string, data: string) =>
      Buffer.from(`{"id":"${id}","inputs":[{"name":"FP32","datatype":"FP32","shape":[2],"data":${data}}]}`);
    const lift = (text: Buffer) => {
      const result = new Float64Array(LIFT_RESULT_LENGTH);
      const skeleton = Buffer.alloc(1024);
      const places = Float64Array.from(MODEL.flatMap((_, i) => [i * 64, 64]));
      binding.lift(target, text, 0, text.length, new Uint8Array(2048), places, skeleton, result, 100);
      return { plan: result[Lift.PLAN], skeleton: skeleton.subarray(0, result[Lift.SKELETON_LENGTH]) };
    };
    const first = lift(body('one', '[1,2]'));
    expect(first.plan).toBe(-1);
    expect(binding.rememberHead(target, first.skeleton, 0, first.skeleton.length, 42)).toBe(-1);
    expect(lift(body('another', '[[3],[4.5]]')).plan).toBe(42);
    expect(lift(Buffer.from(body('one', '[1,2]').toString().replace('[2]', '[3]'))).plan).toBe(-1);
  });

  test('says the same off the main thread', async () => {
    const documents = fc.sample(fc.oneof(validRequest, hostileRequest), { numRuns: 60, seed: 1 });
    for (const text of documents) {
      const body = Buffer.from(text);
      const { placement, destination, skeletonCapacity, maxDepth } = withDefaults({});
      const result = new Float64Array(LIFT_RESULT_LENGTH);
      const skeleton = Buffer.alloc(skeletonCapacity);
      const places = Float64Array.from(placement.flat());
      const status = await binding.liftAsync(
        target,
        body,
        0,
        body.length,
        destination,
        places,
        skeleton,
        result,
        maxDepth,
      );
      const here = kernel(body, {});
      expect(status).toBe(here.status);
      if (!isWhole(status)) continue;
      const { skeleton: _skeleton, destination: _destination, ...facts } = here;
      expect(read(result)).toEqual(facts);
      expect(destination.equals(here.destination)).toBe(true);
    }
  });
});
