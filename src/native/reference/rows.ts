/** Scattered rows: the reference of gather and scatter. For tests only. */

/** Start and length of one piece, in bytes. */
export type Span = readonly [number, number];

/** The pieces of `source`, side by side. */
export function gatherReference(source: Uint8Array, spans: readonly Span[]): Uint8Array {
  return Buffer.concat(spans.map(([start, length]) => source.subarray(start, start + length)));
}

/** Copies the bytes of `source`, in order, over the pieces of `target`. @returns bytes used. */
export function scatterReference(source: Uint8Array, target: Uint8Array, spans: readonly Span[]): number {
  return spans.reduce((at, [start, length]) => {
    target.set(source.subarray(at, at + length), start);
    return at + length;
  }, 0);
}
