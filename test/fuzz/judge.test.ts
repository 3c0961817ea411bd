import { describe, expect, test } from 'vitest';
import { judge } from './http/judge.ts';
import { type FuzzRequest, post } from './http/request.ts';
import type { Answer } from './http/wire.ts';

const INFER = post('/v2/models/m/infer', '{}', Buffer.alloc(0), null);
const CHANGED: FuzzRequest = { ...INFER, untouched: false };

function answer(status: number, headers: Record<string, string>, body: string): Answer {
  return { status, headers: new Map(Object.entries(headers)), body: Buffer.from(body, 'latin1') };
}

function verdict(request: FuzzRequest, ...answers: Answer[]): string | null {
  return judge(request, { answers, rest: Buffer.alloc(0), closed: false });
}

const JSON_TYPE = { 'content-type': 'application/json' };
const REFUSAL = { ...JSON_TYPE, 'x-error-code': 'INVALID_ARGUMENT', 'x-request-id': '1' };
const BINARY = { 'content-type': 'application/octet-stream' };
const output = (rest: string) => `{"outputs":[{"name":"Y","datatype":"FP32","shape":[2],${rest}}]}`;
const good = answer(200, JSON_TYPE, output('"data":[1,2]'));
const binary = output('"parameters":{"binary_data_size":8}');
const binaryLength = { ...BINARY, 'inference-header-content-length': String(binary.length) };

describe('the judge of answers', () => {
  test.each([
    ['a result', good],
    ['a binary result', answer(200, binaryLength, `${binary}12345678`)],
    ['a refusal', answer(400, REFUSAL, '{"error":"no"}')],
  ])('lets %s pass', (_what, one) => {
    expect(verdict(CHANGED, one)).toBeNull();
  });

  test.each([
    ['no answer', []],
    ['more than one', [good, good]],
    ['an element too few', [answer(200, JSON_TYPE, output('"data":[1]'))]],
    ['what is no JSON', [answer(200, JSON_TYPE, output('"data":[1,NaN]'))]],
    ['a cut binary tail', [answer(200, binaryLength, `${binary}1234567`)]],
    ['binary data without a length of the head', [answer(200, JSON_TYPE, binary)]],
    ['a refusal of the wrong type', [answer(400, { ...REFUSAL, 'content-type': 'text/html' }, '{"error":"no"}')]],
    ['a second member beside the error', [answer(400, REFUSAL, '{"error":"no","b":1}')]],
    ['an error that is no text', [answer(400, REFUSAL, '{"error":{}}')]],
    ['bytes that are no UTF-8', [answer(400, REFUSAL, '{"error":"\xff"}')]],
    ['a code of another status', [answer(404, REFUSAL, '{"error":"no"}')]],
    ['a path of this machine', [answer(400, REFUSAL, '{"error":"cannot open /home/a/model.onnx"}')]],
    ['a failure of ours', [answer(500, { ...REFUSAL, 'x-error-code': 'INTERNAL' }, '{"error":"no"}')]],
    ['a failed run', [answer(500, { ...REFUSAL, 'x-error-code': 'EXECUTION_FAILED' }, '{"error":"no"}')]],
  ])('finds %s', (_what, answers) => {
    expect(verdict(CHANGED, ...answers)).toBeTypeOf('string');
  });

  test('finds a valid request that was refused', () => {
    expect(verdict(INFER, good)).toBeNull();
    expect(verdict(INFER, answer(400, REFUSAL, '{"error":"no"}'))).toContain('400');
  });

  test('takes what stands behind a question mark for no part of the path', () => {
    const list = { ...CHANGED, method: 'GET', path: '/v2/models?cls/infer' };
    expect(verdict(list, answer(200, JSON_TYPE, '{"models":[]}'))).toBeNull();
  });

  test('lets the parser answer in its own words where the framing is broken, and nothing else', () => {
    const broken = { ...CHANGED, sound: false };
    const html = '<h1>HTTP ERROR 400</h1>';
    expect(verdict(broken, answer(400, { connection: 'close' }, html))).toBeNull();
    expect(verdict(broken)).toBeNull();
    expect(verdict(broken, answer(400, REFUSAL, '{"error":1}'))).toBeTypeOf('string');
  });
});
