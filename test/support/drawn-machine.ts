/** Machines drawn at random: how long their batches take, and what they can do. Times in microseconds. */

import fc from 'fast-check';

/** What a machine is drawn from. */
export interface DrawnMachine {
  readonly base: number;
  readonly row: number;
  readonly tile: number;
  readonly lanes: number;
  readonly mostRows: number;
}

/** Fields of a record that draws one, before what a test draws besides. */
export const MACHINE_FIELDS = {
  base: fc.integer({ min: 300, max: 2000 }),
  row: fc.integer({ min: 50, max: 500 }),
  tile: fc.constantFrom(1, 1, 4, 8),
  lanes: fc.integer({ min: 1, max: 3 }),
  mostRows: fc.integer({ min: 1, max: 48 }),
};

/** Time of a batch of so many rows. */
export function usOf({ base, row, tile }: DrawnMachine): (rows: number) => number {
  return (rows) => base + row * tile * Math.ceil(rows / tile);
}

/** Rows per microsecond in the best of those batches that leave time for another. */
export function bestPerUs(machine: DrawnMachine, patienceUs: number): number {
  const { lanes, mostRows } = machine;
  const us = usOf(machine);
  let perUs = lanes / us(1);
  for (let rows = 2; rows <= mostRows && 2 * us(rows) <= patienceUs; rows++) {
    perUs = Math.max(perUs, (lanes * rows) / us(rows));
  }
  return perUs;
}
