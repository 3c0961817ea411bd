import type { HttpResponse } from 'uWebSockets.js';
import { expect, it } from 'vitest';
import { Exchange, Wire } from '../../../src/http/exchange.ts';

/** What a socket would have been given. */
class Written {
  readonly headers = new Map<string, string>();
  readonly #ended = Promise.withResolvers<string>();
  readonly response = {
    cork: (write: () => void) => write(),
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
  exchange.answer(Buffer.from(text), 0);
  expect(await written.body).toBe(text);
  expect([written.headers.has('Content-Encoding'), told]).toEqual([false, [200]]);
});
