/** The body of a control request: small, gathered whole, and handed on as text. */

import { asGatewayError, type GatewayError } from '../core/error.ts';
import { BodyBuffer, type GatherLedger, tooLarge } from './body.ts';
import type { Exchange } from './exchange.ts';
import type { Upload } from './uploads.ts';

/** Most bytes of a control request's body; they are tiny. */
export const CONTROL_BODY_BYTES = 64 * 1024;

/** Takes the chunks of one control request. */
export class ControlBody implements Upload {
  readonly deadlineUs = Number.POSITIVE_INFINITY;
  readonly #exchange: Exchange;
  readonly #answer: (text: string) => void;
  readonly #buffer: BodyBuffer;
  #done = false;

  /** @param answer is given the text; what it throws is the answer. */
  constructor(ledger: GatherLedger, exchange: Exchange, answer: (text: string) => void) {
    this.#buffer = new BodyBuffer(ledger, -1);
    this.#exchange = exchange;
    this.#answer = answer;
  }

  get uploading(): boolean {
    return !this.#done && !this.#exchange.answered;
  }

  get received(): number {
    return this.#buffer.length;
  }

  /** The next chunk; it is empty once this returns. */
  chunk(chunk: ArrayBuffer, last: boolean): void {
    if (!this.uploading) return;
    try {
      if (this.received + chunk.byteLength > CONTROL_BODY_BYTES) throw tooLarge(CONTROL_BODY_BYTES, 'controlBytes');
      this.#buffer.append(chunk);
      if (!last) return;
      const text = Buffer.from(this.#buffer.whole()).toString('utf8');
      this.#end();
      this.#answer(text);
    } catch (error) {
      this.refuse(asGatewayError(error));
    }
  }

  /** The caller has gone. */
  abort(): void {
    this.#exchange.abort();
    this.#end();
  }

  refuse(error: GatewayError): void {
    // What has not been read cannot be told from a next request: the connection ends here.
    if (!this.#done) {
      this.#exchange.close = true;
      this.#exchange.midBody = true;
    }
    this.#end();
    this.#exchange.fail(error);
  }

  #end(): void {
    this.#done = true;
    this.#buffer.free();
  }
}
