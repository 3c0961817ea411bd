import { expect, it } from 'vitest';
import { type Loan, Loans } from '../../../src/http/loans.ts';

const MIB = 1024 * 1024;

/** Lends of an arena of 512 MiB. */
function lender(): (mib: number) => Loan | null {
  const loans = new Loans(512 * MIB);
  return (mib) => loans.lend(mib * MIB);
}

it('lends each body at most half of what is left of half the arena, so that small ones find room beside slow large ones', () => {
  const lend = lender();
  const large = [64, 64, 64].map(lend);
  expect(large).not.toContain(null);
  expect(lend(64)).toBeNull();
  expect(lend(32)).not.toBeNull();
  expect(lend(32)).toBeNull();
  for (let i = 0; i < 8; i++) expect(lend(1)).not.toBeNull();
});

it('has room again as what was lent comes, and at once where it is not waited for any more', () => {
  const lend = lender();
  const first = lend(128);
  expect(lend(128)).toBeNull();
  first?.came(127 * MIB);
  first?.came(5 * MIB);
  const second = lend(128);
  expect([second === null, lend(128)]).toEqual([false, null]);
  second?.end();
  second?.end();
  expect(lend(128)).not.toBeNull();
  expect(lend(65)).toBeNull();
});

it('lends to one body at a time that is larger than any other may be, and to others as if it were not there', () => {
  const lend = lender();
  const huge = lend(400);
  expect(huge).not.toBeNull();
  expect(lend(129)).toBeNull();
  expect(lend(128)).not.toBeNull();
  huge?.came(399 * MIB);
  expect(lend(129)).toBeNull();
  huge?.came(MIB);
  expect(lend(129)).not.toBeNull();
});

it('lends bodies of normal size that come all at once their places as they come', () => {
  const lend = lender();
  const bodies = Array.from({ length: 12 }, () => ({ missing: 40, loan: null as Loan | null, gathered: 0 }));
  for (; bodies.some(({ missing }) => missing > 0); ) {
    for (const body of bodies) {
      body.loan ??= lend(body.missing);
      body.missing--;
      if (body.loan === null) body.gathered++;
      else body.loan.came(MIB);
    }
  }
  expect(bodies.filter(({ gathered }) => gathered === 0)).toHaveLength(5);
  // None is read to its end before it has its place.
  expect(Math.max(...bodies.map(({ gathered }) => gathered))).toBeLessThan(24);
});
