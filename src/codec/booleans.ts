/** BOOL elements in binary form: any byte but 0 is true on the wire, while ONNX Runtime computes with the byte itself. */

/**
 * Makes every byte but 0 a 1, in place: with a 2 ONNX Runtime's Not gives 3 and its Xor true for two trues.
 * @param offset of the first element in `bytes`. @param count of elements, a byte each.
 */
export function normaliseBooleans(bytes: Uint8Array, offset: number, count: number): void {
  const end = offset + count;
  for (let i = offset; i < end; i++) if (bytes[i] > 1) bytes[i] = 1;
}
