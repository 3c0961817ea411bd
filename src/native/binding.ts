/**
 * The contract between TypeScript and the addon: every function the addon exports, with its units and its errors.
 * `native/addon.cc` implements exactly this and checks every argument; `load.ts` compares version and datatype table. The words of
 * images (`ImagePlace`, `Image`, `DetectPlace` and theirs) are in `image-words.ts`.
 *
 * Conventions. Memory is always passed in (a view and an offset in bytes), never returned, so no ownership crosses.
 * `Memory` is a Uint8Array over an ArrayBuffer or a SharedArrayBuffer, or a bare ArrayBuffer (what uWebSockets.js hands
 * out). A range outside its view, or a value of the wrong type, is a programming error and throws RangeError or TypeError;
 * what a client can get wrong is never thrown but returned as a status. Arrays of numbers must be aligned as typed arrays are.
 */

/** Raised by one with every change, here or in `image-words.ts`, that changes a call. */
export const CONTRACT_VERSION = 6;

/** Bytes in, bytes out. */
export type Memory = Uint8Array | ArrayBuffer;

/** What `lift` found, as numbers in `LiftResult[STATUS]`. TypeScript turns them into sentences. */
export const LiftStatus = {
  OK: 0,
  /** An input's `data` does not fit the capacity offered. Counts and byte sizes are valid: allocate and lift again. */
  NEED_SPACE: 1,
  /** Not JSON (RFC 8259), or bytes after the document, or a byte order mark. `ERROR_OFFSET` is the byte. */
  SYNTAX: 2,
  /** A string that is not UTF-8, or holds a lone surrogate escape. */
  BAD_STRING: 3,
  /** Nested deeper than the limit given. */
  TOO_DEEP: 4,
  /** One object has the same key twice (compared after unescaping). */
  DUPLICATE_KEY: 5,
  /** A number outside `data` that no double can hold (`1e400`), or one of over 400 characters. */
  BAD_NUMBER: 6,
  /** What is left of the body without the `data` arrays does not fit the skeleton buffer. */
  HEAD_TOO_LARGE: 7,
  /** More than `MAX_INPUTS` members in `inputs`. */
  TOO_MANY_INPUTS: 8,
  /** An element of `data` is of the wrong JSON type (a string among numbers, an object, a null among integers). */
  ELEMENT_TYPE: 9,
  /** An integer datatype got a fraction or an exponent that leaves one. */
  ELEMENT_FRACTION: 10,
  /** A number that the datatype cannot hold. */
  ELEMENT_RANGE: 11,
  /** Arrays inside `data` of unequal length or depth. */
  RAGGED: 12,
  /** FP16 or BF16 in JSON: no JSON form exists for them. */
  NO_JSON_FORM: 13,
  /** More than `MAX_VALUES` values outside `data`. */
  TOO_MANY_VALUES: 14,
} as const;

/** Largest number of `inputs` members in one request (open-inference defaults: 1024). */
export const MAX_INPUTS = 1024;

/** Most values of one request outside `data` (`kMaxValues`): stops a head that costs its sender nothing to write. */
export const MAX_VALUES = 16_384;

/** Places in the Float64Array that `lift` fills. */
export const Lift = {
  STATUS: 0,
  /** Byte offset in the body where the fault was noticed. */
  ERROR_OFFSET: 1,
  /** Ordinal in `inputs` the fault belongs to, or -1. */
  ERROR_INPUT: 2,
  /** Flat index of the element at fault, or -1. */
  ERROR_ELEMENT: 3,
  /** The plan that was remembered for this skeleton, or -1. */
  PLAN: 4,
  /** Bytes of the skeleton written. */
  SKELETON_LENGTH: 5,
  /** Where the top-level `id` string stood (its quotes included), or -1 where it was absent, null, empty or no string. */
  ID_START: 6,
  ID_LENGTH: 7,
  /** Members of `inputs` seen. */
  INPUT_COUNT: 8,
  /** First of three numbers per member of `inputs`, in body order: model input, elements, bytes. */
  INPUTS: 9,
  /** Index of the model's input its `data` was lifted for, or -1 (no `data` array, unknown name, another datatype). */
  MODEL_INPUT: 0,
  /** Elements of `data`; -1 where the member had no `data` array. */
  ELEMENTS: 1,
  /** Bytes those elements take in binary form (written, unless the status is NEED_SPACE). */
  BYTES: 2,
  STRIDE: 3,
} as const;

/** Numbers that a lift result needs room for. */
export const LIFT_RESULT_LENGTH = Lift.INPUTS + Lift.STRIDE * MAX_INPUTS;

/** The addon. */
export interface Binding {
  readonly contractVersion: number;
  /** The addon's datatype table in id order, to be compared with `core/datatype.ts`. */
  datatypes(): { name: string; size: number }[];

  /**
   * Registers a model's inputs, and makes its table of request heads seen before.
   * @param names input names in the model's order; one may come again with another datatype, and takes what is sent as that.
   * @param datatypeIds their datatypes.
   * @param headCapacity entries kept; the least recently useful makes room (clock sweep).
   * @returns a handle, valid in this environment until `dropTarget`.
   */
  createTarget(names: string[], datatypeIds: number[], headCapacity: number): number;
  /** Forgets a target and its heads. Unknown handles are ignored. */
  dropTarget(target: number): void;

  /** The plan remembered for exactly these bytes, or -1. One hash and one memcmp; nothing is parsed. */
  matchHead(target: number, bytes: Memory, offset: number, length: number): number;
  /**
   * Remembers `plan` (0..2^30) for these bytes; heads over 16 KiB are not kept.
   * @returns the plan that had to make room or was replaced, or -1; `plan` itself when it was not kept.
   */
  rememberHead(target: number, bytes: Memory, offset: number, length: number, plan: number): number;

  /**
   * One pass over a request's JSON: validates all of it (RFC 8259, UTF-8, depth, duplicate keys, BOM), lifts the elements
   * of every `inputs[i].data` array into `destination` in binary form, little-endian, and writes what is left, the
   * *skeleton*: the same bytes with each lifted array as `[]` and the text of the top-level `id` as `""`.
   * The skeleton is then looked up as a head. An array is lifted only when the member's name and datatype are those of
   * one of the target's inputs (in whatever order the keys stand); otherwise it is checked as JSON and left out.
   * Floating-point `data` takes bare NaN, Infinity, -Infinity and null (= NaN) as well; a finite text that overflows FP32
   * becomes ELEMENT_RANGE. Floats are the nearest double, then the nearest float32: what JSON.parse + Math.fround give.
   * Integer texts such as `1.0`, `1e2` are accepted where they are whole. BOOL takes true, false, 0, 1.
   * BYTES strings are written as u32 little-endian length + UTF-8.
   *
   * @param body the text at `offset`, `length` bytes. @param destination memory for all inputs.
   * @param placement Float64Array of pairs per model input: byte offset in `destination`, capacity in bytes.
   * @param skeleton where the skeleton goes. @param result Float64Array of at least `LIFT_RESULT_LENGTH`.
   * @param maxDepth deepest nesting accepted (100). @returns the status, also in `result[STATUS]`.
   */
  lift(
    target: number,
    body: Memory,
    offset: number,
    length: number,
    destination: Uint8Array,
    placement: Float64Array,
    skeleton: Uint8Array,
    result: Float64Array,
    maxDepth: number,
  ): number;
  /**
   * The same on a thread of the addon's own, for large bodies. The memories must not be touched until it settles; the
   * addon keeps them alive. Resolves with the status, never rejects for what a client sent.
   */
  liftAsync(
    target: number,
    body: Memory,
    offset: number,
    length: number,
    destination: Uint8Array,
    placement: Float64Array,
    skeleton: Uint8Array,
    result: Float64Array,
    maxDepth: number,
  ): Promise<number>;

  /**
   * One decoded image becomes one row of a tensor: colour, resampling, crop, padding, scale and shift, layout, datatype,
   * in one walk over the crop window. Nothing outside it is computed. In this order: alpha is left out and colour becomes
   * gray (where the tensor is gray), then it is resampled, then rounded to 0..255, then scaled.
   * Antialiased filters are those of Pillow 3.3 to 12, bit for bit: across, rounded, then down, rounded. So is nearest.
   * (Pillow 13 goes down first where the height shrinks much more than the width: another rounding, no other filter.)
   * Without antialias bilinear and bicubic (a = -0.75) are torch.nn.functional.interpolate with align_corners false: in
   * float32, rounded once and half to even, as torchvision resizes uint8 tensors by way of float32. Where a value falls halfway torch's
   * own roundings differ with its version and machine: beside torch 1.13 one byte in a thousand is off by 1, and none by more.
   * Scratch memory is a few rows of the window, at most a few megabytes, and given back.
   * @param pixels all of the source, packed; exactly width * height * channels bytes.
   * @param ints Int32Array of `IMAGE_LENGTH`, see `Image`. @param floats Float64Array of `IMAGE_FLOAT_LENGTH`.
   * @param target where the tensor goes, from byte `targetOffset` on; needs no alignment, must not overlap `pixels`.
   * @returns bytes written: tensor width * height * channels * element size.
   * @throws RangeError where sizes, window, padding and memories do not fit together; nothing is written then.
   */
  imageToTensor(
    pixels: Uint8Array,
    ints: Int32Array,
    floats: Float64Array,
    target: Uint8Array,
    targetOffset: number,
  ): number;

  /** Copies `length` bytes. */
  copy(source: Memory, sourceOffset: number, target: Memory, targetOffset: number, length: number): void;
  /**
   * Joins scattered rows: `count` pieces, piece i being `spans[2i+1]` bytes at `spans[2i]` of `source`, go side by side to
   * `target` at `targetOffset`. @returns bytes written.
   */
  gather(source: Uint8Array, spans: Float64Array, count: number, target: Uint8Array, targetOffset: number): number;
  /** The inverse: side-by-side bytes at `sourceOffset` go to the pieces of `target` named by `spans`. @returns bytes read. */
  scatter(source: Uint8Array, sourceOffset: number, target: Uint8Array, spans: Float64Array, count: number): number;

  /**
   * Prints `count` elements as comma-separated JSON, without brackets: shortest text that reads back as the same float32 or
   * float64, exact integers, `true`/`false`, `null` for NaN and the infinities.
   * @param datatypeId any but FP16, BF16, BYTES. @returns bytes written, or -1 where `target` has no room for the worst case.
   */
  printNumbers(
    datatypeId: number,
    source: Uint8Array,
    sourceOffset: number,
    count: number,
    target: Uint8Array,
    targetOffset: number,
  ): number;

  /**
   * Checks a BYTES tensor in binary form and finds its elements: element i is the bytes from `offsets[2i]`,
   * `offsets[2i+1]` of them.
   * @param offsets Uint32Array of at least 2 * count, filled with start (absolute in `source`) and length.
   * @param text true: every element must be UTF-8 without NUL (an ONNX string).
   * @returns -1 where all is well and exactly `length` bytes are used; otherwise the index of the element at fault:
   * `count` means bytes are left over, and `index + 2^31` means that element's text is at fault (not its framing).
   */
  splitBytes(
    source: Uint8Array,
    offset: number,
    length: number,
    count: number,
    offsets: Uint32Array,
    text: boolean,
  ): number;
  /**
   * Writes `count` elements in binary form (u32 length + bytes), taking them from `source` by (start, length) pairs.
   * @returns bytes written, or -1 where `target` is too small.
   */
  joinBytes(source: Uint8Array, offsets: Uint32Array, count: number, target: Uint8Array, targetOffset: number): number;
  /** Whether the bytes are well-formed UTF-8 (RFC 3629). */
  isUtf8(source: Memory, offset: number, length: number): boolean;

  /** IEEE half to float32, `count` elements, exactly. */
  fp16ToFp32(source: Uint8Array, sourceOffset: number, target: Uint8Array, targetOffset: number, count: number): void;
  /** float32 to IEEE half, nearest even, NaN kept quiet. */
  fp32ToFp16(source: Uint8Array, sourceOffset: number, target: Uint8Array, targetOffset: number, count: number): void;
  /** bfloat16 to float32, exactly. */
  bf16ToFp32(source: Uint8Array, sourceOffset: number, target: Uint8Array, targetOffset: number, count: number): void;
  /** float32 to bfloat16, nearest even, NaN kept quiet. */
  fp32ToBf16(source: Uint8Array, sourceOffset: number, target: Uint8Array, targetOffset: number, count: number): void;

  /**
   * Reads the header of a JPEG, PNG or WebP of `length` bytes at `offset`, without decoding anything.
   * @param result Float64Array of at least `IMAGE_RESULT_LENGTH`, filled by `ImagePlace`. @returns the status
   */
  imageHeader(source: Memory, offset: number, length: number, result: Float64Array): number;

  /**
   * Softmax of every row of `width` float32s: exp(x - max) / sum. A row with NaN or Infinity in it, or of nothing but
   * -Infinity, becomes NaN. Offsets in bytes, aligned to 4 in memory; source and target may be the same.
   */
  softmax(
    source: Uint8Array,
    sourceOffset: number,
    target: Uint8Array,
    targetOffset: number,
    rows: number,
    width: number,
  ): void;
  /** 1 / (1 + exp(-x)) of `count` float32s; memory as for `softmax`. */
  sigmoid(source: Uint8Array, sourceOffset: number, target: Uint8Array, targetOffset: number, count: number): void;
  /**
   * The `k` (at most `width`) largest of every row of `width` float32s: by value descending, equal ones by index, NaN last.
   * @param indices filled with `k` indices per row. @throws RangeError where they have no room, or k is over width
   */
  topK(source: Uint8Array, offset: number, rows: number, width: number, k: number, indices: Uint32Array): void;
  /**
   * Boxes of one image out of a YOLO head of float32s (aligned to 4 bytes): best class, thresholds, non-maximum suppression.
   * @param layout 0: [boxes, 5 + classes] with objectness (YOLOv5); 1: [4 + classes, boxes] (YOLOv8).
   * @param options by `DetectPlace`. @param target room for `options[MOST]` rows of `DETECTION_WIDTH` float32s.
   * @returns rows written: x1, y1, x2, y2 in pixels of the image, score, class; the best first
   * @throws RangeError for options that are not finite, or out of range
   */
  detect(
    source: Uint8Array,
    offset: number,
    layout: number,
    boxes: number,
    classes: number,
    options: Float64Array,
    target: Uint8Array,
    targetOffset: number,
  ): number;

  /** Gives the whole pages inside the range back to the system; they read as zeros afterwards. */
  discard(memory: Uint8Array, offset: number, length: number): void;
  /**
   * From now on blocks of at least so many bytes (2^16 to 2^25) are given back to the system as soon as they are freed, and each heap
   * of a thread keeps no more than that at its end. For the whole process; only glibc's allocator needs to be told.
   */
  boundHeap(bytes: number): void;

  /**
   * Maps `slots` (1..1024) numbers at the start of an open file: what is stored there outlives the process. From then on a
   * thread that faults sets the highest bit of the slot it has claimed, unless the slot is 0. Once per process. The one
   * memory that is returned: it belongs to the addon and is never given back.
   * @throws where the file cannot be mapped
   */
  mapCrashMarks(file: number, slots: number): Uint32Array;
  /** The calling thread runs what `slot` names from now on. */
  claimCrashMark(slot: number): void;
  /** Kills the process so many milliseconds after its parent has ended, whatever runs then. */
  dieAfterParent(graceMs: number): void;
  /**
   * Holds the calling thread until another thread has a message for its event loop, at most so many milliseconds (0..1000).
   * Sockets and timers wait meanwhile. @returns whether there is a message
   */
  rest(mostMs: number): boolean;
}
