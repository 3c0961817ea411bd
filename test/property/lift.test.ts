import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DATATYPES } from '../../src/core/datatype.ts';
import { LIFT_RESULT_LENGTH, Lift, LiftStatus, MAX_INPUTS, MAX_VALUES } from '../../src/native/binding.ts';
import { loadBinding } from '../../src/native/load.ts';
import { liftReference, type ReferenceOutcome } from '../../src/native/reference/lift.ts';
import {
  hostileRequest,
  jsonTypes,
  looseRequest,
  MODEL,
  mutate,
  mutation,
  nest,
  numberText,
  single,
  stringText,
  validRequest,
  word,
} from '../support/lift-requests.ts';

const binding = loadBinding();
const GUARD = 0xa5;
const target = binding.createTarget(
  MODEL.map((input) => input.name),
  MODEL.map((input) => DATATYPES.findIndex((row) => row.name === input.datatype)),
  16,
);

interface Options {
  capacity?: number;
  skeletonCapacity?: number;
  maxDepth?: number;
}

interface Lifted extends ReferenceOutcome {
  destination: Buffer;
}

function withDefaults(options: Options) {
  const capacity = options.capacity ?? 4096;
  const placement = MODEL.map((_, i) => [i * (capacity + 8), capacity] as const);
  const destination = Buffer.alloc(MODEL.length * (capacity + 8), GUARD);
  const { skeletonCapacity = 65_536, maxDepth = 100 } = options;
  return { capacity, placement, destination, skeletonCapacity, maxDepth };
}

function kernel(text: Uint8Array, options: Options): Lifted {
  const { placement, destination, skeletonCapacity, maxDepth } = withDefaults(options);
  const body = Buffer.concat([Buffer.from('['), text, Buffer.from('0')]);
  const skeleton = Buffer.alloc(skeletonCapacity, GUARD);
  const result = new Float64Array(LIFT_RESULT_LENGTH).fill(7);
  const places = Float64Array.from(placement.flat());
  const status = binding.lift(target, body, 1, text.length, destination, places, skeleton, result, maxDepth);
  expect(result[Lift.STATUS]).toBe(status);
  return { ...read(result), skeleton: skeleton.subarray(0, result[Lift.SKELETON_LENGTH]), destination };
}

function read(result: Float64Array): Omit<ReferenceOutcome, 'skeleton'> {
  const inputs = Array.from({ length: result[Lift.INPUT_COUNT] }, (_, i) => {
    const [modelInput, elements, bytes] = result.subarray(Lift.INPUTS + i * Lift.STRIDE);
    return { modelInput, elements, bytes };
  });
  return {
    status: result[Lift.STATUS],
    errorInput: result[Lift.ERROR_INPUT],
    errorElement: result[Lift.ERROR_ELEMENT],
    idStart: result[Lift.ID_START],
    idLength: result[Lift.ID_LENGTH],
    inputs,
  };
}

function reference(body: Uint8Array, options: Options): Lifted {
  const defaults = withDefaults(options);
  const outcome = liftReference({ ...defaults, inputs: MODEL, body });
  return { ...outcome, destination: defaults.destination };
}

function isWhole(status: number): boolean {
  return status === LiftStatus.OK || status === LiftStatus.NEED_SPACE;
}

/** Both must agree; where both refuse, only `sameFault` asks for the same reason. */
function compare(text: Uint8Array, options: Options, sameFault: boolean): Lifted {
  const ours = reference(text, options);
  const theirs = kernel(text, options);
  if (!isWhole(ours.status) && !isWhole(theirs.status)) {
    if (sameFault) {
      expect(theirs.status).toBe(ours.status);
      // A skeleton that is too large is no single input's fault.
      if (ours.status !== LiftStatus.HEAD_TOO_LARGE) expect(theirs.errorInput).toBe(ours.errorInput);
      if (ours.errorElement >= 0) expect(theirs.errorElement).toBe(ours.errorElement);
    }
    return theirs;
  }
  const { destination: ourBytes, skeleton: ourSkeleton, ...ourFacts } = ours;
  const { destination: theirBytes, skeleton: theirSkeleton, ...theirFacts } = theirs;
  const ignored = { errorInput: 0, errorElement: 0 };
  expect({ ...theirFacts, ...ignored }).toEqual({ ...ourFacts, ...ignored });
  expect(Buffer.from(theirSkeleton).toString('latin1')).toBe(Buffer.from(ourSkeleton).toString('latin1'));
  if (ours.status === LiftStatus.OK) expect(theirBytes.equals(ourBytes)).toBe(true);
  return theirs;
}

describe('lift and its reference agree', () => {
  test('on valid requests of every datatype, in any key order, escaped and spaced', () => {
    fc.assert(
      fc.property(validRequest, (text) => {
        expect(compare(Buffer.from(text), {}, true).status).toBe(LiftStatus.OK);
      }),
      { numRuns: 600 },
    );
  });

  test('on what space is missing, and writes nothing outside the capacity it was given', () => {
    fc.assert(
      fc.property(validRequest, fc.integer({ min: 0, max: 40 }), (text, capacity) => {
        const lifted = compare(Buffer.from(text), { capacity }, true);
        for (const [offset] of withDefaults({ capacity }).placement) {
          const guard = lifted.destination.subarray(offset + capacity, offset + capacity + 8);
          expect(guard.every((byte) => byte === GUARD)).toBe(true);
        }
      }),
      { numRuns: 300 },
    );
  });

  test('on a skeleton that does not fit', () => {
    fc.assert(
      fc.property(validRequest, fc.nat(400), (text, skeletonCapacity) => {
        compare(Buffer.from(text), { skeletonCapacity }, true);
      }),
      { numRuns: 300 },
    );
  });

  test('on a single element of any JSON form under any datatype, to the status and the element', () => {
    const element = fc.oneof(numberText, stringText, word);
    fc.assert(
      fc.property(fc.constantFrom(...DATATYPES), element, fc.nat(3), (row, text, before) => {
        // Inside BYTES the kernel sees that NaN is no string before it sees that it is no JSON either.
        const sameFault = row.name !== 'BYTES' || !/NaN|Infinity/.test(text);
        const fine = row.name === 'BYTES' ? '"x"' : '1';
        compare(single(row.name, `[${`${fine},`.repeat(before)}${text}]`), {}, sameFault);
      }),
      { numRuns: 3000 },
    );
  });

  // A document with several faults may be refused for another one than the reference notices first.
  test('on loose, hostile and mutated requests', () => {
    fc.assert(
      fc.property(
        fc.oneof(validRequest, looseRequest, hostileRequest),
        fc.array(mutation, { maxLength: 3 }),
        fc.integer({ min: 1, max: 12 }),
        (text, mutations, maxDepth) => {
          compare(mutate(text, mutations), { maxDepth: maxDepth > 8 ? 100 : maxDepth }, false);
        },
      ),
      { numRuns: 3000 },
    );
  });

  test('on arbitrary bytes', () => {
    const tokens = fc.constantFrom(
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      '"inputs"',
      '"data"',
      '"name"',
      '"',
      '1',
      ' ',
      'null',
      '-',
      '\\',
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.array(tokens).map((t) => Buffer.from(t.join(''))),
          fc.uint8Array(),
        ),
        (bytes) => {
          compare(bytes, {}, false);
        },
      ),
      { numRuns: 2000 },
    );
  });

  test('on arrays of any nesting, even and ragged', () => {
    const { tree } = fc.letrec<{ tree: string }>((tie) => ({
      tree: fc.oneof(
        { depthSize: 'small' },
        fc.constant('1'),
        fc.array(tie('tree'), { maxLength: 3 }).map((t) => `[${t.join()}]`),
      ),
    }));
    const even = fc
      .array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 4 })
      .map((shape) => nest(Array(shape.reduce((a, b) => a * b, 1)).fill('1'), shape, ''));
    const data = fc.oneof(
      even,
      fc.array(tree, { maxLength: 4 }).map((t) => `[${t.join()}]`),
    );
    fc.assert(
      fc.property(data, fc.constantFrom(...jsonTypes.filter((type) => type !== 'BYTES')), (text, type) => {
        compare(single(type, text), {}, true);
        compare(Buffer.from(`{"inputs":[{"data":${text}}]}`), {}, true);
      }),
      { numRuns: 1000 },
    );
  });

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
