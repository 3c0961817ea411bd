/** Strict readers of a JSON document: each gives the value in its type, or says what is wrong and where. */

/** A document that is not as it should be; the message begins with the place. */
export class ReadingError extends Error {}

/** Reads one value. @param at where it stands, like `runs[2].loop` @throws {ReadingError} */
export type Reader<T> = (value: unknown, at: string) => T;

function wrong(at: string, expected: string): ReadingError {
  return new ReadingError(`${at === '' ? 'the document' : at}: expected ${expected}`);
}

/** A finite number in these bounds. */
export function number(least = Number.NEGATIVE_INFINITY, most = Number.POSITIVE_INFINITY): Reader<number> {
  const bounds = least === 0 && most === Number.POSITIVE_INFINITY ? 'a number of at least 0' : 'a number';
  return (value, at) => {
    if (typeof value !== 'number' || !Number.isFinite(value) || value < least || value > most) {
      throw wrong(at, most === Number.POSITIVE_INFINITY ? bounds : `a number from ${least} to ${most}`);
    }
    return value;
  };
}

/** A count: a whole number of at least 0. */
export const count: Reader<number> = (value, at) => {
  if (!Number.isSafeInteger(value) || (value as number) < 0) throw wrong(at, 'a whole number of at least 0');
  return value as number;
};

/** A text of at most so many characters. */
export function text(characters = 10_000): Reader<string> {
  return (value, at) => {
    if (typeof value !== 'string' || value.length > characters)
      throw wrong(at, `a text of at most ${characters} characters`);
    return value;
  };
}

/** true or false. */
export const flag: Reader<boolean> = (value, at) => {
  if (typeof value !== 'boolean') throw wrong(at, 'true or false');
  return value;
};

/** One of these values. */
export function oneOf<const T extends string>(...values: readonly T[]): Reader<T> {
  return (value, at) => {
    if (!values.includes(value as T)) throw wrong(at, values.map((v) => `"${v}"`).join(' or '));
    return value as T;
  };
}

/** null, or what `reader` reads. */
export function orNull<T>(reader: Reader<T>): Reader<T | null> {
  return (value, at) => (value === null ? null : reader(value, at));
}

/** A list of at most so many. */
export function list<T>(reader: Reader<T>, most: number): Reader<T[]> {
  return (value, at) => {
    if (!Array.isArray(value) || value.length > most) throw wrong(at, `a list of at most ${most}`);
    return value.map((item, i) => reader(item, `${at}[${i}]`));
  };
}

/** A list of exactly two numbers. */
export function pair(first: Reader<number>, second: Reader<number>): Reader<readonly [number, number]> {
  return (value, at) => {
    if (!Array.isArray(value) || value.length !== 2) throw wrong(at, 'a pair of numbers');
    return [first(value[0], `${at}[0]`), second(value[1], `${at}[1]`)];
  };
}

/** An object with exactly these members. */
export function object<T extends object>(members: { readonly [K in keyof T]-?: Reader<T[K]> }): Reader<T> {
  const readers = new Map(Object.entries<Reader<unknown>>(members as Record<string, Reader<unknown>>));
  return (value, at) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong(at, 'an object');
    const below = (key: string) => (at === '' ? key : `${at}.${key}`);
    for (const key of Object.keys(value)) {
      if (!readers.has(key)) throw new ReadingError(`${below(JSON.stringify(key))}: there is no such member`);
    }
    const found = value as Record<string, unknown>;
    return Object.fromEntries([...readers].map(([key, read]) => [key, read(found[key], below(key))])) as T;
  };
}
