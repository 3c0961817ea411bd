/** A real gateway on free ports over a folder of fixture models, for tests. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '../../src/config/load.ts';
import type { GatewayOptions } from '../../src/gateway/options.ts';
import { Gateway } from '../../src/gateway.ts';
import { createLogger } from '../../src/logging/logger.ts';
import { writeFixtures } from './fixtures/write.ts';

/** A running gateway. */
export interface RunningGateway {
  readonly gateway: Gateway;
  /** `http://127.0.0.1:PORT/v2` */
  readonly v2: string;
  readonly inferenceUrl: string;
  readonly adminUrl: string;
  stop(): Promise<void>;
}

/** Starts a gateway over the fixtures named, and waits until every model has settled. */
export async function startGateway(
  names: readonly string[],
  flags: readonly string[] = [],
  options: GatewayOptions = {},
): Promise<RunningGateway> {
  const models = await mkdtemp(join(tmpdir(), 'penstock-models-'));
  await writeFixtures(models, names);
  return startGatewayOn(models, flags, options, () => rm(models, { recursive: true, force: true }));
}

/** The same over a folder that exists. */
export async function startGatewayOn(
  models: string,
  flags: readonly string[] = [],
  options: GatewayOptions = {},
  cleanUp: () => Promise<void> = async () => undefined,
): Promise<RunningGateway> {
  const gateway = makeGateway(models, flags, options);
  const { inferenceUrl, adminUrl } = await gateway.start();
  await gateway.settled();
  return {
    gateway,
    v2: `${inferenceUrl}/v2`,
    inferenceUrl,
    adminUrl,
    stop: async () => {
      await gateway.stop(10_000);
      await cleanUp();
    },
  };
}

/** One that has not started, over a folder that exists: quiet, keeping nothing, two workers where `flags` do not say otherwise. */
export function makeGateway(models: string, flags: readonly string[] = [], options: GatewayOptions = {}): Gateway {
  const places = ['--models', models, '--state-dir', '', '--port', '0', '--admin-port', '0'];
  const args = [...places, '--workers', '2', '--log-level', 'silent', ...flags];
  const config = loadConfig({ args, env: {} });
  return new Gateway(config, createLogger(config.log), options);
}

/** A JSON input. */
export function I(name: string, datatype: string, shape: readonly number[], data: unknown): Record<string, unknown> {
  return { name, datatype, shape, data };
}

/** A binary input of `size` bytes. */
export function B(name: string, datatype: string, shape: readonly number[], size: number): Record<string, unknown> {
  return { name, datatype, shape, parameters: { binary_data_size: size } };
}

/** An answer, taken apart. */
export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  /** The JSON part. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into documents of every shape
  readonly json: any;
  /** What follows the JSON part. */
  readonly tail: Buffer;
}

/** Posts a document, with binary data behind it where there are any. */
export async function post(url: string, document: unknown, ...binary: readonly Uint8Array[]): Promise<Reply> {
  const text = Buffer.from(typeof document === 'string' ? document : JSON.stringify(document));
  const headers: Record<string, string> = {};
  if (binary.length > 0) headers['Inference-Header-Content-Length'] = String(text.length);
  return send(url, Buffer.concat([text, ...binary]), headers);
}

/** Posts bytes as they are. */
export async function send(url: string, body: Uint8Array, headers: Record<string, string> = {}): Promise<Reply> {
  return take(await fetch(url, { method: 'POST', body: body as Uint8Array<ArrayBuffer>, headers }));
}

/** Gets a document. */
export async function get(url: string): Promise<Reply> {
  return take(await fetch(url));
}

async function take(response: Response): Promise<Reply> {
  const body = Buffer.from(await response.arrayBuffer());
  const header = response.headers.get('inference-header-content-length');
  const length = header === null ? body.length : Number(header);
  const text = body.subarray(0, length).toString('utf8');
  return {
    status: response.status,
    headers: response.headers,
    json: text === '' ? null : JSON.parse(text),
    tail: body.subarray(length),
  };
}
