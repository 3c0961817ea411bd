/**
 * One HTTP/1.1 answer, read from pieces as they come: what a load counts of it is kept, its body is dropped.
 * How the bytes are cut never changes what is found. Whatever a server sends, memory stays within the limit for heads.
 */

/** Longest head (status line, headers, interim answers), and longest line of a chunked body with its trailers, bytes. */
export const MAX_HEAD_BYTES = 16 * 1024;
/** Longest `X-Error-Code` that is kept, characters: it becomes a label. A longer one is none. */
export const MAX_CODE_LENGTH = 64;
/** Digits of a length: more than any body, and exact as a number. */
const MAX_DIGITS = 15;
const MAX_HEX_DIGITS = 12;

const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const TAB = 0x09;
const COLON = 0x3a;
const SEMICOLON = 0x3b;
const DOT_ONE = [...Buffer.from('HTTP/1.')];

const STATUS = 0;
const HEADER = 1;
const CHUNK_SIZE = 2;
const CHUNK_END = 3;
const TRAILER = 4;
/** States up to here are read by lines, those up to `UNTIL_CLOSE` by counting. */
const LAST_LINE_STATE = TRAILER;
const LENGTH = 5;
const CHUNK = 6;
const UNTIL_CLOSE = 7;
const DONE = 8;
const MALFORMED = 9;

const CONNECTION = Buffer.from('connection');
const RETRY_AFTER = Buffer.from('retry-after');
const ERROR_CODE = Buffer.from('x-error-code');
const CONTENT_LENGTH = Buffer.from('content-length');
const TRANSFER_ENCODING = Buffer.from('transfer-encoding');

/** Reads one answer after the other from one connection; `begin` before each. */
export class HttpAnswer {
  /** Of the final answer; 0 before its status line. */
  status = 0;
  /** `X-Error-Code`, empty where there is none. */
  errorCode = '';
  /** Whether `Retry-After` came. */
  retryAfter = false;
  /** Whether the connection carries no other answer after this one. */
  closing = false;
  #state = STATUS;
  #length = -1;
  #left = 0;
  #chunked = false;
  #lineBytes = 0;
  /** The beginning of a line whose end has not come. */
  #partial: Buffer | null = null;

  /** Forgets the answer before. */
  begin(): void {
    this.#state = STATUS;
    this.#partial = null;
    this.#lineBytes = 0;
    this.#beginHead();
  }

  /** The answer is whole. */
  get done(): boolean {
    return this.#state === DONE;
  }

  /** What came is no answer that HTTP/1.1 knows; what comes after is not read. */
  get malformed(): boolean {
    return this.#state === MALFORMED;
  }

  /** Reads `bytes` up to `end`. Bytes behind a whole answer belong to nobody: the connection is not used again. */
  feed(bytes: Buffer, end: number): void {
    let at = 0;
    while (at < end && this.#state < DONE) {
      at = this.#state <= LAST_LINE_STATE ? this.#takeLine(bytes, at, end) : this.#count(at, end);
    }
    if (at < end) this.closing = true;
  }

  /** The connection ended: that is the end of a body without length. Look at `done` afterwards. */
  close(): void {
    if (this.#state === UNTIL_CLOSE) this.#state = DONE;
  }

  #beginHead(): void {
    this.status = 0;
    this.errorCode = '';
    this.retryAfter = false;
    this.closing = false;
    this.#length = -1;
    this.#chunked = false;
  }

  /** Bytes that only count. @returns where the reading goes on */
  #count(at: number, end: number): number {
    if (this.#state === UNTIL_CLOSE) return end;
    const taken = Math.min(this.#left, end - at);
    this.#left -= taken;
    if (this.#left === 0) this.#state = this.#state === CHUNK ? CHUNK_END : DONE;
    return at + taken;
  }

  /** A line, or the part of it that is there. @returns where the reading goes on */
  #takeLine(bytes: Buffer, at: number, end: number): number {
    let stop = at;
    while (stop < end && bytes[stop] !== LF) stop++;
    const next = Math.min(stop + 1, end);
    this.#lineBytes += next - at;
    if (this.#lineBytes > MAX_HEAD_BYTES) this.#state = MALFORMED;
    else if (stop === end) this.#keep(bytes.subarray(at, end));
    else if (this.#partial === null) this.#line(bytes, at, stop);
    else this.#joined(bytes.subarray(at, stop));
    return next;
  }

  #keep(piece: Buffer): void {
    this.#partial = this.#partial === null ? Buffer.from(piece) : Buffer.concat([this.#partial, piece]);
  }

  #joined(rest: Buffer): void {
    const line = Buffer.concat([this.#partial as Buffer, rest]);
    this.#partial = null;
    this.#line(line, 0, line.length);
  }

  /** A line without its LF. */
  #line(bytes: Buffer, start: number, stop: number): void {
    const end = stop > start && bytes[stop - 1] === CR ? stop - 1 : stop;
    const good = this.#understood(bytes, start, end);
    if (!good) this.#state = MALFORMED;
  }

  #understood(bytes: Buffer, start: number, end: number): boolean {
    switch (this.#state) {
      case STATUS:
        return this.#statusLine(bytes, start, end);
      case HEADER:
        return start === end ? this.#headEnd() : this.#header(bytes, start, end);
      case CHUNK_SIZE:
        return this.#chunkSize(bytes, start, end);
      case CHUNK_END:
        this.#beginChunk();
        return start === end;
      default:
        if (start === end) this.#state = DONE;
        return true;
    }
  }

  #statusLine(bytes: Buffer, start: number, end: number): boolean {
    if (end - start < 12 || (end - start > 12 && bytes[start + 12] !== SPACE)) return false;
    for (let i = 0; i < DOT_ONE.length; i++) if (bytes[start + i] !== DOT_ONE[i]) return false;
    const minor = digits(bytes, start + 7, start + 8);
    this.status = digits(bytes, start + 9, start + 12);
    this.closing = minor === 0;
    this.#state = HEADER;
    return minor >= 0 && bytes[start + 8] === SPACE && this.status >= 100;
  }

  #header(bytes: Buffer, start: number, end: number): boolean {
    let colon = start;
    while (colon < end && bytes[colon] !== COLON) colon++;
    if (colon === start || colon === end || blank(bytes[start]) || blank(bytes[colon - 1])) return false;
    switch (colon - start) {
      case CONNECTION.length:
        if (named(bytes, start, CONNECTION)) this.#connection(value(bytes, colon, end).toLowerCase());
        return true;
      case RETRY_AFTER.length:
        if (named(bytes, start, RETRY_AFTER)) this.retryAfter = true;
        return true;
      case ERROR_CODE.length:
        if (named(bytes, start, ERROR_CODE)) this.errorCode = code(bytes, colon, end);
        return true;
      case CONTENT_LENGTH.length:
        return !named(bytes, start, CONTENT_LENGTH) || this.#contentLength(bytes, colon + 1, end);
      case TRANSFER_ENCODING.length:
        if (named(bytes, start, TRANSFER_ENCODING)) this.#chunked = /(^|,)\s*chunked$/i.test(value(bytes, colon, end));
        return true;
      default:
        return true;
    }
  }

  #connection(options: string): void {
    for (const option of options.split(',')) {
      if (option.trim() === 'close') this.closing = true;
      if (option.trim() === 'keep-alive') this.closing = false;
    }
  }

  /** @returns false also where two lengths disagree */
  #contentLength(bytes: Buffer, from: number, to: number): boolean {
    let start = from;
    let end = to;
    while (start < end && blank(bytes[start])) start++;
    while (end > start && blank(bytes[end - 1])) end--;
    const length = end - start > MAX_DIGITS ? -1 : digits(bytes, start, end);
    if (length < 0 || (this.#length >= 0 && this.#length !== length)) return false;
    this.#length = length;
    return true;
  }

  /** The empty line: what comes behind it. @returns false where the protocol would change */
  #headEnd(): boolean {
    if (this.status < 200) return this.#interim();
    if (this.status === 204 || this.status === 304) this.#state = DONE;
    else if (this.#chunked) this.#beginChunk();
    else if (this.#length >= 0) {
      this.#left = this.#length;
      this.#state = this.#left > 0 ? LENGTH : DONE;
    } else {
      this.closing = true;
      this.#state = UNTIL_CLOSE;
    }
    return true;
  }

  /** An interim answer is passed over; its bytes still count, or a server could send them for ever. */
  #interim(): boolean {
    const switched = this.status === 101;
    this.#beginHead();
    this.#state = STATUS;
    return !switched;
  }

  #beginChunk(): void {
    this.#lineBytes = 0;
    this.#state = CHUNK_SIZE;
  }

  #chunkSize(bytes: Buffer, start: number, to: number): boolean {
    let end = start;
    while (end < to && bytes[end] !== SEMICOLON) end++;
    while (end > start && blank(bytes[end - 1])) end--;
    const size = hexDigits(bytes, start, end);
    this.#left = size;
    this.#state = size > 0 ? CHUNK : TRAILER;
    return size >= 0;
  }
}

function blank(byte: number | undefined): boolean {
  return byte === SPACE || byte === TAB;
}

/** Whether the name at `start` is `name`, in any case; the length is known to be equal. */
function named(bytes: Buffer, start: number, name: Buffer): boolean {
  for (let i = 0; i < name.length; i++) if (((bytes[start + i] as number) | 0x20) !== name[i]) return false;
  return true;
}

function value(bytes: Buffer, colon: number, end: number): string {
  return bytes.toString('latin1', colon + 1, end).trim();
}

function code(bytes: Buffer, colon: number, end: number): string {
  const found = value(bytes, colon, end);
  return found.length > MAX_CODE_LENGTH ? '' : found;
}

/** A decimal number, or -1 where it is none. */
function digits(bytes: Buffer, start: number, end: number): number {
  let number = start < end ? 0 : -1;
  for (let i = start; i < end; i++) {
    const digit = (bytes[i] as number) - 0x30;
    if (digit < 0 || digit > 9) return -1;
    number = number * 10 + digit;
  }
  return number;
}

/** A hexadecimal number, or -1 where it is none or too long. */
function hexDigits(bytes: Buffer, start: number, end: number): number {
  if (start === end || end - start > MAX_HEX_DIGITS) return -1;
  const text = bytes.toString('latin1', start, end);
  return /^[0-9a-f]+$/i.test(text) ? Number.parseInt(text, 16) : -1;
}
