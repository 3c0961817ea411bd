import type { HttpResponse } from 'uWebSockets.js';
import { expect, it } from 'vitest';
import { GatewayError } from '../../../src/core/error.ts';
import { Exchange, Wire } from '../../../src/http/exchange.ts';

/** What a socket would have been given. */
class Written {
  readonly headers = new Map<string, string>();
  readonly #ended = Promise.withResolvers<string>();
  readonly response = {
    cork: (write: () => void) => write(),
    writeStatus: (status: string) => this.headers.set(':status', status),
    writeHeader: (name: string, value: string) => this.headers.set(name, value),
    end: (body: string | Uint8Array) => this.#ended.resolve(Buffer.from(body as Uint8Array).toString()),
  } as unknown as HttpResponse;

  get body(): Promise<string> {
    return this.#ended.promise;
  }
}

/** Has no memory for what packs. */
class PoorWire extends Wire {
  override async pack(): Promise<Uint8Array> {
    throw new Error('Z_MEM_ERROR');
  }
}

it('an answer that cannot be packed is sent as it is', async () => {
  const told: number[] = [];
  const written = new Written();
  const wire = new PoorWire((_exchange, status) => told.push(status));
  const exchange = new Exchange(wire, written.response, 'POST', '/', 'id', 0);
  exchange.accepts = 'gzip';
  const text = 'x'.repeat(2000);
  exchange.answer((await exchange.pack(Buffer.from(text), 0)) as Uint8Array, 0);
  expect(await written.body).toBe(text);
  expect([written.headers.has('Content-Encoding'), told]).toEqual([false, [200]]);
});

it('an error in the place of an answer that was packed is not said to be packed', async () => {
  const written = new Written();
  const exchange = new Exchange(new Wire(() => undefined), written.response, 'POST', '/', 'id', 0);
  exchange.accepts = 'gzip';
  expect((await exchange.pack(Buffer.from('x'.repeat(2000)), 0))?.length).toBeLessThan(100);
  exchange.fail(new GatewayError('DEADLINE_EXCEEDED', 'too late'));
  expect(await written.body).toBe('{"error":"too late"}');
  expect(written.headers.has('Content-Encoding')).toBe(false);
});

it('where an answer that closes its connection cannot be copied, that is said instead', async () => {
  const told: number[] = [];
  const written = new Written();
  const exchange = new Exchange(
    new Wire((_exchange, status) => told.push(status)),
    written.response,
    'POST',
    '/',
    'id',
    0,
  );
  exchange.close = true;
  // As where there is no memory for it: it cannot be read any more.
  const body = new Uint8Array(2000);
  structuredClone(body.buffer, { transfer: [body.buffer] });
  expect(() => exchange.answer(body, 1000)).toThrow(TypeError);
  exchange.fail(new GatewayError('INTERNAL', 'no memory'));
  expect(await written.body).toBe('{"error":"no memory"}');
  expect(Object.fromEntries(written.headers)).toEqual({
    ':status': '500 Internal Server Error',
    'Content-Type': 'application/json',
    'X-Request-Id': 'id',
    'X-Error-Code': 'INTERNAL',
  });
  expect(told).toEqual([500]);
});
