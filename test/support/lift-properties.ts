/** What must hold of the addon's lift and its reference for any request: run by the tests, and by the differential fuzzer. */

import assert from 'node:assert/strict';
import fc from 'fast-check';
import { DATATYPES } from '../../src/core/datatype.ts';
import { LiftStatus } from '../../src/native/binding.ts';
import { compare, GUARD, withDefaults } from './lift-difference.ts';
import {
  hostileRequest,
  jsonTypes,
  looseRequest,
  mutate,
  mutation,
  nest,
  numberText,
  single,
  stringText,
  validRequest,
  word,
} from './lift-requests.ts';

/** A property of lifts. */
export interface LiftProperty {
  readonly name: string;
  /** How often the tests try it. */
  readonly runs: number;
  readonly property: fc.IPropertyWithHooks<unknown>;
}

function holds<Values extends [unknown, ...unknown[]]>(
  name: string,
  runs: number,
  arbitraries: { [K in keyof Values]: fc.Arbitrary<Values[K]> },
  predicate: (...values: Values) => void,
): LiftProperty {
  const property = fc.property(fc.tuple(...arbitraries) as fc.Arbitrary<Values>, (values) => predicate(...values));
  return { name, runs, property: property as unknown as fc.IPropertyWithHooks<unknown> };
}

const valid = holds(
  'on valid requests of every datatype, in any key order, escaped and spaced',
  600,
  [validRequest],
  (text) => {
    assert.equal(compare(Buffer.from(text), {}, true).status, LiftStatus.OK);
  },
);

const space = holds(
  'on what space is missing, and writes nothing outside the capacity it was given',
  300,
  [validRequest, fc.integer({ min: 0, max: 40 })],
  (text, capacity) => {
    const lifted = compare(Buffer.from(text), { capacity }, true);
    for (const [offset] of withDefaults({ capacity }).placement) {
      const guard = lifted.destination.subarray(offset + capacity, offset + capacity + 8);
      assert.ok(guard.every((byte) => byte === GUARD));
    }
  },
);

const skeletons = holds('on a skeleton that does not fit', 300, [validRequest, fc.nat(400)], (text, capacity) => {
  compare(Buffer.from(text), { skeletonCapacity: capacity }, true);
});

const elements = holds(
  'on a single element of any JSON form under any datatype, to the status and the element',
  3000,
  [fc.constantFrom(...DATATYPES), fc.oneof(numberText, stringText, word), fc.nat(3)],
  (row, text, before) => {
    // Inside BYTES the kernel sees that NaN is no string before it sees that it is no JSON either.
    const sameFault = row.name !== 'BYTES' || !/NaN|Infinity/.test(text);
    const fine = row.name === 'BYTES' ? '"x"' : '1';
    compare(single(row.name, `[${`${fine},`.repeat(before)}${text}]`), {}, sameFault);
  },
);

// A document with several faults may be refused for another one than the reference notices first.
const mutated = holds(
  'on loose, hostile and mutated requests',
  3000,
  [
    fc.oneof(validRequest, looseRequest, hostileRequest),
    fc.array(mutation, { maxLength: 3 }),
    fc.integer({ min: 1, max: 12 }),
  ],
  (text, mutations, maxDepth) => {
    compare(mutate(text, mutations), { maxDepth: maxDepth > 8 ? 100 : maxDepth }, false);
  },
);

const TOKENS = ['{', '}', '[', ']', ',', ':', '"inputs"', '"data"', '"name"', '"', '1', ' ', 'null', '-', '\\'];
const tokens = fc.array(fc.constantFrom(...TOKENS)).map((list): Uint8Array => Buffer.from(list.join('')));

const anything = holds('on arbitrary bytes', 2000, [fc.oneof(tokens, fc.uint8Array())], (bytes) => {
  compare(bytes, {}, false);
});

const { tree } = fc.letrec<{ tree: string }>((tie) => ({
  tree: fc.oneof(
    { depthSize: 'small' },
    fc.constant('1'),
    fc.array(tie('tree'), { maxLength: 3 }).map((list) => `[${list.join()}]`),
  ),
}));
const even = fc
  .array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 4 })
  .map((shape) => nest(Array(shape.reduce((a, b) => a * b, 1)).fill('1'), shape, ''));
const uneven = fc.array(tree, { maxLength: 4 }).map((list) => `[${list.join()}]`);

const nesting = holds(
  'on arrays of any nesting, even and ragged',
  1000,
  [fc.oneof(even, uneven), fc.constantFrom(...jsonTypes.filter((type) => type !== 'BYTES'))],
  (text, type) => {
    compare(single(type, text), {}, true);
    compare(Buffer.from(`{"inputs":[{"data":${text}}]}`), {}, true);
  },
);

/** All of them. */
export const LIFT_PROPERTIES: readonly LiftProperty[] = [valid, space, skeletons, elements, mutated, anything, nesting];
