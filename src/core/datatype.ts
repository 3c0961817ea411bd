/**
 * The protocol's element types: names, wire sizes and order.
 * The order is the datatype id that crosses to the addon; the addon's own table is compared with it at load.
 */

/** Protocol spelling of an element type (open inference protocol, "Tensor Data Types"; BF16 is Triton's extension). */
export type Datatype =
  | 'BOOL'
  | 'UINT8'
  | 'UINT16'
  | 'UINT32'
  | 'UINT64'
  | 'INT8'
  | 'INT16'
  | 'INT32'
  | 'INT64'
  | 'FP16'
  | 'FP32'
  | 'FP64'
  | 'BYTES'
  | 'BF16';

/** One row of the datatype table. */
export interface DatatypeInfo {
  readonly name: Datatype;
  /** Position in `DATATYPES`, the number the addon knows the type by. */
  readonly id: number;
  /** Bytes of one element on the wire; 0 where the length varies (BYTES). */
  readonly size: number;
}

const SIZES: readonly (readonly [Datatype, number])[] = [
  ['BOOL', 1],
  ['UINT8', 1],
  ['UINT16', 2],
  ['UINT32', 4],
  ['UINT64', 8],
  ['INT8', 1],
  ['INT16', 2],
  ['INT32', 4],
  ['INT64', 8],
  ['FP16', 2],
  ['FP32', 4],
  ['FP64', 8],
  ['BYTES', 0],
  ['BF16', 2],
];

/** Every datatype, in id order. */
export const DATATYPES: readonly DatatypeInfo[] = SIZES.map(([name, size], id) => Object.freeze({ name, id, size }));

const BY_NAME: ReadonlyMap<string, DatatypeInfo> = new Map(DATATYPES.map((d) => [d.name, d]));

/** The row of `name`, or undefined where the protocol has no such datatype (spelling is exact, capitals only). */
export function datatypeOf(name: string): DatatypeInfo | undefined {
  return BY_NAME.get(name);
}

/** The row of a name that the type system already vouches for. */
export function datatype(name: Datatype): DatatypeInfo {
  return BY_NAME.get(name) as DatatypeInfo;
}
