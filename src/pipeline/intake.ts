/**
 * Step 4 of the road: from body chunks to numbers in the arena, copied or converted exactly once. A large binary body goes
 * chunk by chunk from the socket to its place; a JSON body is gathered, and lifted when it is whole.
 */

import { normaliseBooleans } from '../codec/booleans.ts';
import type { Lifted, PlanEntry } from '../codec/head.ts';
import { planPicture, planRaw } from '../codec/headless.ts';
import { readStrings } from '../codec/strings.ts';
import { GatewayError, invalid } from '../core/error.ts';
import { type Arena, aligned } from '../native/arena.ts';
import type { Binding, Memory } from '../native/binding.ts';
import { giveBack } from '../native/give-back.ts';
import { arenaUsedUp } from './admission.ts';
import type { InferRequest } from './request.ts';

/** JSON of more bytes than this is lifted on a thread of the addon's own. */
export const APART_BYTES = 256 * 1024;

/** Inputs of the widest model served; more inputs than this and a model fails to load. */
export const MOST_MODEL_INPUTS = 1024;

/** Numbers that say where the inputs go, in the form of tensors or, one of them, of files. */
const PLACES_LENGTH = 2 * (MOST_MODEL_INPUTS + 1);

/** Large JSON takes at most this part of the free arena before its numbers are counted. */
const AHEAD_SHARE = 8;

/** Takes bodies in. */
export class Intake {
  readonly #binding: Binding;
  readonly #arena: Arena;
  /** No room for anything: a lift with it only counts. */
  readonly #nowhere = new Float64Array(PLACES_LENGTH);
  readonly #places = new Float64Array(PLACES_LENGTH);

  constructor(binding: Binding, arena: Arena) {
    this.#binding = binding;
    this.#arena = arena;
  }

  /**
   * A whole body. A view is taken over and given back at the end; an ArrayBuffer is the socket's own and left alone.
   * @param headBytes `Inference-Header-Content-Length`, -1 where the request has none.
   * @returns null when the request is complete, or a promise of that for large JSON
   * @throws {GatewayError} INVALID_ARGUMENT; OVERLOADED where the arena is exhausted
   */
  whole(request: InferRequest, body: Memory, headBytes: number): Promise<void> | null {
    const length = body.byteLength;
    if (headBytes > length) {
      throw invalid(`Inference-Header-Content-Length is ${headBytes}, the body has only ${length} bytes`);
    }
    const jsonBytes = headBytes < 0 ? length : headBytes;
    if (jsonBytes > APART_BYTES) {
      return this.#wholeApart(request, body, jsonBytes, headBytes >= 0).finally(() => giveBack(body));
    }
    this.head(request, body, jsonBytes, headBytes >= 0, length - jsonBytes);
    this.tail(request, body, jsonBytes, length - jsonBytes);
    this.finish(request);
    giveBack(body);
    return null;
  }

  /**
   * The JSON head at the start of `memory`: plans the request and gives its numbers a place.
   * @param tailBytes length of the binary tail behind it.
   */
  head(request: InferRequest, memory: Memory, jsonBytes: number, binary: boolean, tailBytes: number): void {
    const { heads, ring, planModel } = request.target;
    if (binary && jsonBytes === 0) {
      request.raw = true;
      const { picture } = request;
      const plan = picture === null ? planRaw(tailBytes, planModel) : planPicture(tailBytes, planModel, picture);
      this.#place(request, { plan, form: null }, tailBytes, null);
      return;
    }
    const known = binary ? heads.known(memory, 0, jsonBytes) : null;
    if (known !== null) {
      this.#place(request, known, tailBytes, null);
      return;
    }
    // Where rows are of fixed size the next free ones are a good guess, and mostly the numbers land right at once.
    const guess = ring === null ? -1 : ring.next();
    const places = ring === null ? this.#nowhere : this.#ringPlaces(request);
    const lifted = heads.lift(memory, 0, jsonBytes, this.#arena.bytes, places, binary);
    request.id = lifted.id;
    this.#place(request, lifted.entry, tailBytes, lifted);
    if ((lifted.done && guess >= 0 && request.ringRow === guess) || !lifted.entry.plan.hasJson) return;
    heads.lift(memory, 0, jsonBytes, this.#arena.bytes, this.#ownPlaces(request), binary);
  }

  /** Bytes of the binary tail, in order, to the inputs' places. @throws {GatewayError} INVALID_ARGUMENT on surplus */
  tail(request: InferRequest, source: Memory, offset: number, length: number): void {
    const { plan } = request.entry as PlanEntry;
    let from = offset;
    let left = length;
    let start = 0;
    for (let i = 0; left > 0 && i < plan.bodyOrder.length; i++) {
      const index = plan.bodyOrder[i];
      if (plan.inputs[index].source === 'json') continue;
      const into = request.tailBytes - start;
      start += request.sizes[index];
      const piece = Math.min(left, request.sizes[index] - into);
      if (piece <= 0) continue;
      this.#binding.copy(source, from, this.#arena.bytes, request.offsets[index] + into, piece);
      const { name } = plan.inputs[index].spec.datatype;
      if (name === 'BOOL') normaliseBooleans(this.#arena.bytes, request.offsets[index] + into, piece);
      request.tailBytes += piece;
      from += piece;
      left -= piece;
    }
    if (left > 0) throw invalid(`the body has ${left} bytes more than the binary data of its inputs`);
  }

  /** All bytes are in: checks the tail and turns BYTES inputs into strings. @throws {GatewayError} INVALID_ARGUMENT */
  finish(request: InferRequest): void {
    const { inputs } = (request.entry as PlanEntry).plan;
    let expected = 0;
    for (let i = 0; i < inputs.length; i++) if (inputs[i].source !== 'json') expected += request.sizes[i];
    if (request.tailBytes < expected) throw tooShort(expected, request.tailBytes);
    for (let i = 0; i < inputs.length; i++) {
      if (inputs[i].spec.datatype.size > 0) continue;
      request.strings[i] = request.raw ? this.#rawString(request, i) : this.#strings(request, i);
    }
  }

  /** Gives the request's memory back, unless somebody reads or writes it: then he asks again when he has done. */
  release(request: InferRequest): void {
    if (request.held || request.boarded !== null) return;
    if (request.ringRow >= 0) request.target.ring?.release(request.ringRow);
    if (request.block >= 0) this.#arena.free(request.block);
    request.ringRow = -1;
    request.block = -1;
  }

  /** Large JSON, off this thread: lifted once where a bound of its numbers is affordable, else counted before. */
  async #wholeApart(request: InferRequest, body: Memory, jsonBytes: number, binary: boolean): Promise<void> {
    const { heads } = request.target;
    const tailBytes = body.byteLength - jsonBytes;
    const ahead = this.#placeAhead(request, jsonBytes);
    request.held = ahead !== this.#nowhere;
    const lifting = heads.liftApart(body, jsonBytes, this.#arena.bytes, ahead, binary);
    const lifted = await lifting.finally(() => {
      request.held = false;
    });
    if (hasEnded(request)) return;
    request.id = lifted.id;
    const placed = request.block >= 0 && lifted.done && lifted.entry.plan.hasJson;
    if (placed) this.#keep(request, lifted);
    else {
      this.release(request);
      this.#place(request, lifted.entry, tailBytes, lifted);
    }
    if (!placed && lifted.entry.plan.hasJson) {
      // The addon writes into the request's place meanwhile: the caller may go, the memory may not.
      const places = this.#ownPlaces(request).slice(0, 2 * heads.forms.length);
      request.held = true;
      await heads.liftApart(body, jsonBytes, this.#arena.bytes, places, binary).finally(() => {
        request.held = false;
      });
    }
    if (hasEnded(request)) return;
    this.tail(request, body, jsonBytes, tailBytes);
    this.finish(request);
  }

  /** A block that must be large enough for what `jsonBytes` of text can hold, or nowhere. */
  #placeAhead(request: InferRequest, jsonBytes: number): Float64Array {
    const { facts, heads } = request.target;
    if (facts.signature.inputs.length > 1) return this.#nowhere;
    // One input: whatever form it comes in, it has the block for itself.
    const most = Math.max(...heads.forms.map(({ datatype }) => mostBytes(datatype.size, jsonBytes)));
    if (most > this.#arena.freeBytes / AHEAD_SHARE) return this.#nowhere;
    request.block = this.#arena.allocate(most);
    return request.block < 0 ? this.#nowhere : Float64Array.from(heads.forms.flatMap(() => [request.block, most]));
  }

  /** The block ahead becomes the request's place, without what it did not need. */
  #keep(request: InferRequest, { entry, bytes }: Lifted): void {
    const size = bytes[0];
    request.entry = entry;
    request.rows = entry.plan.rows;
    request.shapeKey = entry.plan.shapeKey;
    request.offsets[0] = request.block;
    request.sizes[0] = size;
    request.strings[0] = null;
    request.bytes = size;
    this.#arena.trim(request.block, size);
  }

  #place(request: InferRequest, entry: PlanEntry, tailBytes: number, lifted: Lifted | null): void {
    const { plan } = entry;
    const { ring } = request.target;
    request.entry = entry;
    request.rows = plan.rows;
    request.shapeKey = plan.shapeKey;
    let bytes = 0;
    let tail = 0;
    for (let i = 0; i < plan.inputs.length; i++) {
      const input = plan.inputs[i];
      const size = input.source === 'json' ? (lifted as Lifted).bytes[i] : input.bytes < 0 ? tailBytes : input.bytes;
      request.sizes[i] = size;
      request.strings[i] = null;
      bytes += size;
      if (input.source !== 'json') tail += size;
    }
    // Before memory is taken: a head of a few bytes could hold as much as it likes to name.
    if (tail > tailBytes) throw tooShort(tail, tailBytes);
    request.bytes = bytes;
    // Files are not rows yet.
    if (ring !== null && plan.rows > 0 && plan.pictures === null && this.#placeInRing(request)) return;
    this.#placeApart(request);
  }

  /** A place for the rows of all inputs, `sizes` bytes each, in the ring or apart. @throws {GatewayError} OVERLOADED */
  placeRows(request: InferRequest): void {
    if (request.target.ring === null || !this.#placeInRing(request)) this.#placeApart(request);
  }

  #placeInRing(request: InferRequest): boolean {
    const ring = request.target.ring as NonNullable<typeof request.target.ring>;
    const row = ring.reserve(request.rows);
    if (row < 0) return false;
    request.ringRow = row;
    for (let i = 0; i < request.sizes.length; i++) request.offsets[i] = ring.offset(i, row);
    return true;
  }

  #placeApart(request: InferRequest): void {
    let total = 0;
    for (const size of request.sizes) total += aligned(size);
    request.block = this.#arena.allocate(total);
    if (request.block < 0) throw total > this.#arena.bytes.length ? neverFits(total) : arenaUsedUp();
    let at = request.block;
    for (let i = 0; i < request.sizes.length; i++) {
      request.offsets[i] = at;
      at += aligned(request.sizes[i]);
    }
  }

  #ringPlaces(request: InferRequest): Float64Array {
    const ring = request.target.ring as NonNullable<typeof request.target.ring>;
    const rows = ring.contiguous();
    const inputs = request.target.facts.signature.inputs.length;
    for (let i = 0; i < inputs; i++) this.#setPlace(i, ring.offset(i, ring.next()), rows * ring.rowBytes[i]);
    this.#setPlace(inputs, 0, 0);
    return this.#places;
  }

  #ownPlaces(request: InferRequest): Float64Array {
    const inputs = request.offsets.length;
    for (let i = 0; i < inputs; i++) this.#setPlace(i, request.offsets[i], request.sizes[i]);
    const { pictures } = (request.entry as PlanEntry).plan;
    this.#setPlace(inputs, 0, 0);
    if (pictures === null) return this.#places;
    // Sent as files: what lies there is not for numbers.
    this.#setPlace(inputs, request.offsets[pictures.input], request.sizes[pictures.input]);
    this.#setPlace(pictures.input, 0, 0);
    return this.#places;
  }

  #setPlace(form: number, offset: number, capacity: number): void {
    this.#places[2 * form] = offset;
    this.#places[2 * form + 1] = capacity;
  }

  #strings(request: InferRequest, i: number): string[] {
    const { spec, elements, base64 } = (request.entry as PlanEntry).plan.inputs[i];
    const { offsets, sizes } = request;
    return readStrings(this.#binding, this.#arena.bytes, offsets[i], sizes[i], elements, spec.name, base64);
  }

  /** A raw body is the one element itself, without a length before it. */
  #rawString(request: InferRequest, i: number): string[] {
    const { offsets, sizes } = request;
    const text = Buffer.from(this.#arena.buffer, offsets[i], sizes[i]);
    if (!this.#binding.isUtf8(this.#arena.bytes, offsets[i], sizes[i]) || text.includes(0)) {
      throw invalid(`input '${request.target.facts.signature.inputs[i].name}': expected UTF-8 text without NUL`);
    }
    return [text.toString('utf8')];
  }
}

/** No wait would help: that much is more than there is. */
function neverFits(bytes: number): GatewayError {
  const message = `the tensors of this request take ${bytes} bytes, more than the server has for all requests`;
  return new GatewayError('PAYLOAD_TOO_LARGE', message, { limit: 'arenaBytes' });
}

function tooShort(expected: number, found: number): GatewayError {
  return invalid(`the binary data of the inputs are ${expected} bytes, found ${found}`);
}

/** Most bytes that the elements of one input can take: a number has a digit and a comma, a string two quotes and one. */
function mostBytes(elementSize: number, jsonBytes: number): number {
  return elementSize > 0 ? elementSize * Math.ceil(jsonBytes / 2 + 1) : jsonBytes + 4 * Math.ceil(jsonBytes / 3 + 1);
}

function hasEnded(request: InferRequest): boolean {
  return request.state === 'ENDED';
}
