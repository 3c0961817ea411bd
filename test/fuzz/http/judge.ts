/** Whether an answer is one that this server may give: one JSON error, or a document whose counts match its shapes. */

import { gunzipSync, inflateSync } from 'node:zlib';
import { DATATYPES } from '../../../src/core/datatype.ts';
import { ERRORS, type ErrorCode } from '../../../src/core/error.ts';
import type { FuzzRequest } from './request.ts';
import type { Answer, Outcome } from './wire.ts';

/** Longest sentence of an error: what a client sent is not sent back at length. */
const MOST_SENTENCE = 512;

/** Paths of this machine, stacks and modules have no place in a sentence. */
const LEAK = /\/(?:home|tmp|usr|work|root|proc)\/|node_modules|\.(?:ts|js|mjs|cc):\d|\n\s+at /;

/** Statuses that uWebSockets.js gives by itself, in HTML, before any of our code has seen the request. */
const FROM_PARSER = new Set([400, 431, 505]);

/** What is wrong with the outcome of a request, or null. */
export function judge(request: FuzzRequest, outcome: Outcome): string | null {
  if (!request.sound) return outcome.answers.map(judgeAny).find((fault) => fault !== null) ?? null;
  const [answer, ...more] = outcome.answers;
  if (answer === undefined) return outcome.closed ? 'closed without an answer' : 'no answer';
  if (more.length > 0 || outcome.rest.length > 0) return 'more than one answer';
  if (request.untouched && answer.status !== 200) return `a valid request was refused with ${answer.status}`;
  if (request.method === 'HEAD') return answer.body.length > 0 ? 'a HEAD with a body' : null;
  return judgeOurs(answer, request.path.replace(/\?.*/, '').endsWith('/infer'));
}

/** Any answer on a connection whose framing is lost: ours, or the parser's. */
function judgeAny(answer: Answer): string | null {
  const html = answer.headers.get('content-type') === undefined || answer.body.includes('<h1>');
  if (html && FROM_PARSER.has(answer.status)) return null;
  // Where requests were taken for others, what a 200 is for is not known; a HEAD among them has no body.
  if (answer.status === 200)
    return answer.body.length === 0 ? null : judgeOurs(answer, answer.body.includes('"model_version":'));
  return answer.body.length === 0 ? null : judgeOurs(answer, false);
}

function judgeOurs(answer: Answer, infer: boolean): string | null {
  try {
    if (answer.status !== 200) return judgeError(answer);
    return infer ? judgeInference(answer) : judgeDocument(answer);
  } catch (error) {
    return `the answer cannot be read: ${error instanceof Error ? error.message : error}`;
  }
}

function judgeError({ status, headers, body }: Answer): string | null {
  if (headers.get('content-type') !== 'application/json') return `an error of type ${headers.get('content-type')}`;
  const document = JSON.parse(utf8(body)) as Record<string, unknown>;
  const { error } = document;
  if (Object.keys(document).length !== 1 || typeof error !== 'string' || error === '') return 'no {"error": string}';
  if (error.length > MOST_SENTENCE) return `a sentence of ${error.length} characters`;
  if (LEAK.test(error)) return `the error tells too much: ${error}`;
  const code = headers.get('x-error-code') as ErrorCode;
  if (ERRORS[code]?.status !== status) return `the code ${code} with status ${status}`;
  // No client's bytes are a reason for either: what ONNX Runtime would refuse is to be refused before.
  if (code === 'INTERNAL' || code === 'EXECUTION_FAILED') return `${code}: ${error}`;
  return headers.has('x-request-id') ? null : 'an error without X-Request-Id';
}

function judgeDocument({ headers, body }: Answer): string | null {
  if (headers.get('content-type') !== 'application/json') return `a document of type ${headers.get('content-type')}`;
  const document: unknown = JSON.parse(utf8(body));
  return typeof document === 'object' && document !== null ? null : 'a document that is no object';
}

interface OutputDocument {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
  readonly data?: readonly unknown[];
  readonly parameters?: { readonly binary_data_size: number };
}

function judgeInference(answer: Answer): string | null {
  const body = decoded(answer);
  const length = answer.headers.get('inference-header-content-length');
  const type = length === undefined ? 'application/json' : 'application/octet-stream';
  if (answer.headers.get('content-type') !== type) return `an answer of type ${answer.headers.get('content-type')}`;
  const jsonBytes = length === undefined ? body.length : Number(length);
  const document = JSON.parse(utf8(body.subarray(0, jsonBytes))) as { outputs: readonly OutputDocument[] };
  let binary = 0;
  for (const output of document.outputs) {
    const fault = judgeOutput(output);
    if (fault !== null) return `output ${output.name}: ${fault}`;
    binary += output.parameters?.binary_data_size ?? 0;
  }
  if ((length !== undefined) !== binary > 0)
    return 'Inference-Header-Content-Length and no binary data, or the reverse';
  return jsonBytes + binary === body.length
    ? null
    : `${body.length - jsonBytes} bytes of binary data, ${binary} announced`;
}

function judgeOutput({ datatype, shape, data, parameters }: OutputDocument): string | null {
  const type = DATATYPES.find((row) => row.name === datatype);
  if (type === undefined || (data === undefined) === (parameters === undefined))
    return 'not one of data and binary data';
  const elements = shape.reduce((product, n) => product * n, 1);
  if (data !== undefined) return data.length === elements ? null : `${data.length} elements for shape [${shape}]`;
  const size = parameters?.binary_data_size as number;
  const right = type.size === 0 ? size >= 4 * elements : size === type.size * elements;
  return right ? null : `${size} bytes for shape [${shape}]`;
}

function decoded({ headers, body }: Answer): Buffer {
  const encoding = headers.get('content-encoding');
  return encoding === 'gzip' ? gunzipSync(body) : encoding === 'deflate' ? inflateSync(body) : body;
}

/** Strict UTF-8. */
function utf8(bytes: Buffer): string {
  return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
}
