/** Short floating-point formats by arithmetic instead of bit tricks: the reference of the conversion kernels. For tests only. */

/** A binary format of IEEE 754's kind: a sign bit, then these. */
export interface ShortFormat {
  readonly exponentBits: number;
  readonly fractionBits: number;
}

/** IEEE half precision. */
export const FP16: ShortFormat = { exponentBits: 5, fractionBits: 10 };
/** bfloat16: float32 without its low fraction bits. */
export const BF16: ShortFormat = { exponentBits: 8, fractionBits: 7 };

/** The value of 16 bits, exactly. */
export function widenReference(format: ShortFormat, bits: number): number {
  const { exponentBits, fractionBits } = format;
  const top = 2 ** exponentBits - 1;
  const sign = bits >= 0x8000 ? -1 : 1;
  const exponent = Math.floor(bits / 2 ** fractionBits) % (top + 1);
  const fraction = (bits % 2 ** fractionBits) / 2 ** fractionBits;
  if (exponent === top) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  if (exponent === 0) return sign * fraction * 2 ** (1 - biasOf(format));
  return sign * (1 + fraction) * 2 ** (exponent - biasOf(format));
}

/** The 16 bits nearest to `value`, ties to even; overflow gives infinity, NaN a quiet one. */
export function narrowReference(format: ShortFormat, value: number): number {
  const { exponentBits, fractionBits } = format;
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const infinity = (2 ** exponentBits - 1) * 2 ** fractionBits;
  if (Number.isNaN(value)) return infinity + 2 ** (fractionBits - 1);
  const magnitude = Math.abs(value);
  if (magnitude === Number.POSITIVE_INFINITY) return sign + infinity;
  const least = 1 - biasOf(format);
  let exponent = least;
  while (magnitude >= 2 ** (exponent + 1)) exponent++;
  // In units of the last place: dividing by a power of two is exact. A subnormal's exponent field is 0, so counting up
  // from `least` and adding the units carries into the exponent, and from the largest value into infinity, by itself.
  const units = roundHalfEven(magnitude / 2 ** (exponent - fractionBits));
  const bits = (exponent - least) * 2 ** fractionBits + units;
  return sign + Math.min(bits, infinity);
}

function biasOf(format: ShortFormat): number {
  return 2 ** (format.exponentBits - 1) - 1;
}

function roundHalfEven(value: number): number {
  const below = Math.floor(value);
  const rest = value - below;
  if (rest === 0.5) return below + (below % 2);
  return rest > 0.5 ? below + 1 : below;
}
