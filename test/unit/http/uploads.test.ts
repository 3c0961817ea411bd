import { afterEach, beforeEach, expect, test } from 'vitest';
import type { GatewayError } from '../../../src/core/error.ts';
import { type Upload, UploadWatch } from '../../../src/http/uploads.ts';

const S = 1e6;

class Coming implements Upload {
  uploading = true;
  received = 0;
  deadlineUs = Number.POSITIVE_INFINITY;
  readonly refusals: string[] = [];

  refuse(error: GatewayError): void {
    this.uploading = false;
    this.refusals.push(`${error.code}: ${error.message}`);
  }
}

let nowUs: number;
let watch: UploadWatch;

beforeEach(() => {
  nowUs = 0;
  watch = new UploadWatch({ nowUs: () => nowUs }, { bodyStallS: 5, bodyBytesPerS: 1000, bodyTimeS: 20 });
});

afterEach(() => watch.dispose());

/** A body that begins now and is not over when the turn is. */
function begun(): Coming {
  const upload = new Coming();
  watch.began(upload);
  watch.turned();
  return upload;
}

function after(seconds: number, ...came: [Coming, number][]): void {
  nowUs += seconds * S;
  for (const [upload, bytes] of came) upload.received += bytes;
  watch.look();
}

test('a body of which too little comes in the time it is judged over is refused, once', () => {
  const upload = begun();
  after(4.9, [upload, 100]);
  expect(upload.refusals).toEqual([]);
  after(0.1, [upload, 4899]);
  after(5);
  expect(upload.refusals).toEqual(['REQUEST_TIMEOUT: the body came slower than 1000 bytes per second']);
});

test('what came before the time it is judged over does not make up for a stall', () => {
  const upload = begun();
  after(5, [upload, 1_000_000]);
  after(5, [upload, 4999]);
  expect(upload.refusals).toHaveLength(1);
});

test('a body that is fast enough may take so long and no longer', () => {
  const upload = begun();
  for (let i = 0; i < 4; i++) after(5, [upload, 5000]);
  expect(upload.refusals).toEqual([]);
  after(0.1);
  expect(upload.refusals).toEqual(['REQUEST_TIMEOUT: the body was not complete after 20 s']);
});

test('bodies that end are let alone, whether in their first turn or later', () => {
  const [first, later] = [new Coming(), new Coming()];
  watch.began(first);
  watch.began(later);
  first.uploading = false;
  watch.turned();
  later.uploading = false;
  after(30);
  expect([first.refusals, later.refusals]).toEqual([[], []]);
});

test('each is judged by itself', () => {
  const slow = begun();
  after(2);
  const fast = begun();
  after(3, [fast, 3000]);
  after(2, [fast, 3000]);
  expect([slow.refusals.length, fast.refusals.length]).toEqual([1, 0]);
});

test('all that are not complete can be refused at once, those of this turn included', () => {
  const watched = begun();
  const fresh = new Coming();
  watch.began(fresh);
  const error = { code: 'SHUTTING_DOWN', message: 'x' } as GatewayError;
  watch.refuseAll(() => error);
  watch.refuseAll(() => error);
  expect([watched.refusals, fresh.refusals]).toEqual([['SHUTTING_DOWN: x'], ['SHUTTING_DOWN: x']]);
});

test('a body whose deadline has passed is not waited for, however fast it comes', () => {
  const upload = begun();
  upload.deadlineUs = 2 * S;
  after(2, [upload, 1_000_000]);
  expect(upload.refusals).toEqual([]);
  after(0.1, [upload, 1_000_000]);
  expect(upload.refusals).toEqual([
    'DEADLINE_EXCEEDED: the deadline passed after 2100 ms, before the body was complete',
  ]);
});

test('a deadline that becomes known while the body comes counts', () => {
  const upload = begun();
  after(1, [upload, 1_000_000]);
  upload.deadlineUs = 0.5 * S;
  after(0.1);
  expect(upload.refusals).toHaveLength(1);
});
