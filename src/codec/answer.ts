/**
 * From outputs to the bytes of an Open Inference response. The text around the numbers is made once per plan where the
 * shapes are known ahead; numbers are printed or copied by the addon straight into the response.
 */

import type { NamedOutput } from '../core/tensor.ts';
import type { Binding } from '../native/binding.ts';
import { classify } from './classification.ts';
import type { PlanEntry } from './head.ts';
import type { PlannedOutput, RequestPlan } from './plan.ts';
import { writeStrings } from './strings.ts';

/** One output of one request: where its elements lie (binary form), or its strings. */
export interface OutputData {
  readonly memory: Uint8Array;
  readonly offset: number;
  readonly bytes: number;
  readonly dims: readonly number[];
  readonly strings: readonly string[] | null;
}

/** A response body. */
export interface Answer {
  readonly body: Uint8Array;
  /** Bytes of the JSON part where binary outputs follow; 0 where all is JSON. */
  readonly jsonBytes: number;
}

/** The fixed text of an answer: pieces[i] stands before the data of output i, the last one behind them all. */
export interface AnswerForm {
  readonly pieces: readonly Uint8Array[];
  /** The answer itself, where all of it but its numbers is known ahead. */
  readonly whole: WholeAnswer | null;
}

/** An answer without an id and with binary outputs alone: the next one differs in their bytes and in nothing else. */
interface WholeAnswer {
  readonly answer: Answer;
  /** Where each output's bytes go. */
  readonly places: readonly number[];
}

/** Most characters that one printed element takes with its comma, as the addon reckons (number_text.cc). */
const PRINTED_BYTES = 27;

/** Answers up to this size share one buffer: it is copied out before the next one is written. */
const SHARED_BYTES = 64 * 1024;

/** Memory of strings, which lie nowhere. */
const EMPTY = new Uint8Array(0);

/** Answers up to this size are kept whole with their plan. */
const WHOLE_BYTES = 4 * 1024;

/** Writes the answers of one model version. */
export class AnswerWriter {
  readonly #binding: Binding;
  readonly #opening: string;
  readonly #batched: boolean;
  readonly #labels: readonly (readonly string[] | null)[];
  readonly #shared = Buffer.allocUnsafeSlow(SHARED_BYTES);

  constructor(
    binding: Binding,
    model: string,
    version: string,
    batched: boolean,
    labels: readonly (readonly string[] | null)[],
  ) {
    this.#binding = binding;
    this.#opening = `"model_name":${JSON.stringify(model)},"model_version":${JSON.stringify(version)},"outputs":[`;
    this.#batched = batched;
    this.#labels = labels;
  }

  /**
   * The response to one request. The body is valid until the next call.
   * @param id the caller's id as JSON text, or empty. @param outputs per output of the signature.
   * @param fixed whether the shapes are the same for every request of this plan.
   */
  write(entry: PlanEntry, id: string, outputs: readonly OutputData[], fixed: boolean): Answer {
    const { plan } = entry;
    const whole = entry.form?.whole ?? null;
    if (whole !== null && id === '') return this.#refill(whole, plan, outputs);
    const data = plan.outputs.map((output) => this.#data(output, outputs[output.index]));
    const reusable = fixed && plan.outputs.every((o) => o.classification === 0 && o.spec.datatype.size > 0);
    const pieces = entry.form?.pieces ?? this.#pieces(plan.outputs, data);
    if (reusable) entry.form ??= { pieces, whole: wholeAnswer(plan, pieces, data) };
    return this.#assemble(plan.outputs, pieces, id, data);
  }

  /** The response with these outputs, all in JSON or all in binary form. The body is valid until the next call. */
  writeNamed(id: string, named: readonly NamedOutput[], binary: boolean): Answer {
    const outputs = named.map(({ name, datatype: type, dims }, index): PlannedOutput => {
      return { index, spec: { name, datatype: type, shape: dims }, binary, classification: 0 };
    });
    const data = named.map(({ bytes, strings, dims }, i) => {
      const memory = bytes ?? EMPTY;
      return this.#data(outputs[i], { memory, offset: 0, bytes: memory.length, dims, strings });
    });
    return this.#assemble(outputs, this.#pieces(outputs, data), id, data);
  }

  #refill({ answer, places }: WholeAnswer, plan: RequestPlan, outputs: readonly OutputData[]): Answer {
    for (let i = 0; i < places.length; i++) {
      const data = outputs[plan.outputs[i].index];
      this.#binding.copy(data.memory, data.offset, answer.body, places[i], data.bytes);
    }
    return answer;
  }

  #data(output: PlannedOutput, data: OutputData): OutputData {
    if (output.classification === 0 && data.strings === null) return data;
    const found =
      output.classification === 0
        ? { strings: data.strings as string[], dims: data.dims as number[] }
        : classify(
            this.#binding,
            output.spec.datatype,
            data.memory,
            data.offset,
            data.dims,
            this.#batched,
            output.classification,
            this.#labels[output.index],
          );
    const memory = output.binary
      ? writeStrings(found.strings)
      : Buffer.from(JSON.stringify(found.strings).slice(1, -1));
    return { memory, offset: 0, bytes: memory.length, dims: found.dims, strings: found.strings };
  }

  #pieces(outputs: readonly PlannedOutput[], data: readonly OutputData[]): Uint8Array[] {
    const pieces: Uint8Array[] = [];
    let text = this.#opening;
    outputs.forEach((output, i) => {
      const type = data[i].strings === null ? output.spec.datatype.name : 'BYTES';
      const name = JSON.stringify(output.spec.name);
      text += `${i > 0 ? ',' : ''}{"name":${name},"datatype":"${type}","shape":[${data[i].dims.join(',')}],`;
      if (output.binary) {
        text += `"parameters":{"binary_data_size":${data[i].bytes}}}`;
        return;
      }
      pieces.push(Buffer.from(`${text}"data":[`));
      text = ']}';
    });
    pieces.push(Buffer.from(`${text}]}`));
    return pieces;
  }

  #assemble(
    outputs: readonly PlannedOutput[],
    pieces: readonly Uint8Array[],
    id: string,
    data: readonly OutputData[],
  ): Answer {
    const target = this.#room(outputs, pieces, id, data);
    let at = target.write('{', 0, 'latin1');
    if (id !== '') at += target.write(`"id":${id},`, at, 'utf8');
    let piece = 0;
    let binary = 0;
    for (let i = 0; i < data.length; i++) {
      if (outputs[i].binary) {
        binary += data[i].bytes;
        continue;
      }
      target.set(pieces[piece], at);
      at += pieces[piece++].length;
      at = this.#print(outputs[i], data[i], target, at);
    }
    target.set(pieces[piece], at);
    at += pieces[piece].length;
    if (binary === 0) return { body: target.subarray(0, at), jsonBytes: 0 };
    const jsonBytes = at;
    for (let i = 0; i < data.length; i++) {
      if (!outputs[i].binary) continue;
      this.#binding.copy(data[i].memory, data[i].offset, target, at, data[i].bytes);
      at += data[i].bytes;
    }
    return { body: target.subarray(0, at), jsonBytes };
  }

  #print(output: PlannedOutput, data: OutputData, target: Buffer, at: number): number {
    if (data.strings !== null) {
      target.set(data.memory, at);
      return at + data.bytes;
    }
    const type = output.spec.datatype;
    return at + this.#binding.printNumbers(type.id, data.memory, data.offset, data.bytes / type.size, target, at);
  }

  #room(
    outputs: readonly PlannedOutput[],
    pieces: readonly Uint8Array[],
    id: string,
    data: readonly OutputData[],
  ): Buffer {
    let most = 64 + id.length * 3;
    for (const piece of pieces) most += piece.length;
    for (let i = 0; i < data.length; i++) {
      const asText = !outputs[i].binary && data[i].strings === null;
      most += asText ? (data[i].bytes / outputs[i].spec.datatype.size) * PRINTED_BYTES : data[i].bytes;
    }
    return most <= SHARED_BYTES ? this.#shared : Buffer.allocUnsafeSlow(most);
  }
}

/** The answer of a plan with its bytes left open, or null where some of its outputs are text, or it is large. */
function wholeAnswer(
  plan: RequestPlan,
  pieces: readonly Uint8Array[],
  data: readonly OutputData[],
): WholeAnswer | null {
  const bytes = data.reduce((sum, output) => sum + output.bytes, 0);
  if (!plan.outputs.every((output) => output.binary) || bytes === 0) return null;
  const json = Buffer.concat([Buffer.from('{'), ...pieces]);
  if (json.length + bytes > WHOLE_BYTES) return null;
  const body = new Uint8Array(json.length + bytes);
  body.set(json);
  let at = json.length;
  const places = data.map((output) => {
    at += output.bytes;
    return at - output.bytes;
  });
  return { answer: { body, jsonBytes: json.length }, places };
}
