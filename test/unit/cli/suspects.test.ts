import { writeSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MarkFile, Suspects } from '../../../src/cli/suspects.ts';
import { FAULT_BIT, MARK_BYTES } from '../../../src/native/crash-marks.ts';

const A = { session: 1, model: 'a', version: '1', files: 'x' };
const B = { session: 2, model: 'b', version: '7', files: 'y' };
const MINUTE_MS = 60_000;

describe('the file of marks', () => {
  let file: MarkFile;
  beforeEach(() => {
    file = new MarkFile();
    writeSync(file.descriptor, `${JSON.stringify(A)}\n${JSON.stringify(B)}\n{"session":3,"mo`, MARK_BYTES);
  });
  afterEach(() => file.close());

  function mark(slot: number, value: number): void {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(value);
    writeSync(file.descriptor, bytes, 0, 4, 4 * slot);
  }

  it('names nobody where nothing ran', () => {
    expect(file.suspects()).toEqual([]);
  });

  it('names all that ran, each once, and not the line that was being written', () => {
    mark(0, 2);
    mark(5, 2);
    mark(1023, 1);
    mark(7, 3);
    expect(file.suspects()).toEqual([A, B]);
  });

  it('names only the one whose thread faulted, where one did', () => {
    mark(0, 1);
    mark(1, FAULT_BIT + 2);
    expect(file.suspects()).toEqual([B]);
  });

  it('is empty for the next child', () => {
    mark(0, 1);
    file.clear();
    expect(file.suspects()).toEqual([]);
  });
});

describe('suspects', () => {
  let suspects: Suspects;
  beforeEach(() => {
    suspects = new Suspects();
  });
  const die = (times: number, who: typeof A, ranMs = 1_000) => {
    for (let i = 0; i < times; i++) suspects.died([who], 'SIGBUS', ranMs);
  };

  it('are refused after three deaths, and not after two', () => {
    die(2, A);
    expect(suspects.refused()).toEqual([]);
    die(1, A);
    expect(suspects.refused()).toEqual([{ model: 'a', version: '1', files: 'x', cause: 'SIGBUS' }]);
  });

  it('are found where two of them take turns, and where nobody ran in between', () => {
    for (let i = 0; i < 3; i++) {
      die(1, A);
      die(1, B);
      suspects.died([], 'SIGKILL', 1_000);
    }
    expect(suspects.refused().map(({ model }) => model)).toEqual(['a', 'b']);
  });

  it('begin anew with other files', () => {
    die(2, A);
    die(2, { ...A, files: 'z' });
    expect(suspects.refused()).toEqual([]);
    die(1, { ...A, files: 'z' });
    expect(suspects.refused().map(({ files }) => files)).toEqual(['z']);
  });

  it('are forgotten after ten minutes without a death, but not those that are refused', () => {
    die(2, A);
    die(3, B);
    die(1, A, 11 * MINUTE_MS);
    expect(suspects.refused().map(({ model }) => model)).toEqual(['b']);
    die(2, A);
    expect(suspects.refused().map(({ model }) => model)).toEqual(['b', 'a']);
  });
});
