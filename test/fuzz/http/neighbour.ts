/** The client beside the fuzzer: its requests travel in the same batches and must be answered exactly. */

import { Connection } from './wire.ts';

/** Numbers below this are printed in one way only, without an exponent. */
const MOST_VALUE = 90_000;

/** One who asks valid questions and knows the answers. */
export class Neighbour {
  readonly #connection: Connection;
  #asked = 0;

  constructor(port: number) {
    this.#connection = new Connection(port);
  }

  /** Questions answered so far. */
  get asked(): number {
    return this.#asked;
  }

  /** Asks; resolves with what is wrong with the answer, or null. */
  async ask(): Promise<string | null> {
    const number = this.#asked++;
    const found = number % 8 === 7 ? await this.#live() : await this.#infer(number);
    return found === null ? null : `the neighbour's request ${number}: ${found}`;
  }

  drop(): void {
    this.#connection.drop();
  }

  async #live(): Promise<string | null> {
    const outcome = await this.#connection.ask(
      Buffer.from('GET /v2/health/live HTTP/1.1\r\nHost: localhost\r\n\r\n'),
      'GET',
    );
    const text = outcome.answers[0]?.body.toString();
    return text === '{"live":true}' ? null : `health/live answered ${text}`;
  }

  async #infer(number: number): Promise<string | null> {
    const value = number % MOST_VALUE;
    const [request, expected] = number % 2 === 0 ? identity(value) : simple(value);
    const outcome = await this.#connection.ask(request, 'POST');
    const text = outcome.answers[0]?.body.toString();
    return text === expected ? null : `answered ${text}, expected ${expected}`;
  }
}

/** A model of its own memory per request, JSON in and out. */
function identity(number: number): [Buffer, string] {
  const data = [number, number + 0.5, -1 - number].join(',');
  const tensor = `"datatype":"FP32","shape":[1,3],"data":[${data}]`;
  const answer = `{"id":"${number}","model_name":"id_fp32","model_version":"1","outputs":[{"name":"OUTPUT0",${tensor}}]}`;
  return [post('id_fp32', `{"id":"${number}","inputs":[{"name":"INPUT0",${tensor}}]}`), answer];
}

/** A model whose requests lie side by side in one ring of rows. */
function simple(number: number): [Buffer, string] {
  const a = Array.from({ length: 16 }, (_, i) => number + i);
  const b = Array.from({ length: 16 }, (_, i) => i);
  const input = (name: string, data: number[]) =>
    `{"name":"${name}","datatype":"INT32","shape":[1,16],"data":[${data.join(',')}]}`;
  const outputs = [
    input(
      'OUTPUT0',
      a.map((v, i) => v + (b[i] as number)),
    ),
    input(
      'OUTPUT1',
      a.map((v, i) => v - (b[i] as number)),
    ),
  ];
  const request = `{"inputs":[${input('INPUT0', a)},${input('INPUT1', b)}]}`;
  return [post('simple', request), `{"model_name":"simple","model_version":"1","outputs":[${outputs.join(',')}]}`];
}

function post(model: string, body: string): Buffer {
  return Buffer.from(
    `POST /v2/models/${model}/infer HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  );
}
