/**
 * One model loaded in ONNX Runtime, on whatever thread this is: the only importer of onnxruntime-node.
 *
 * Its oddities, all found by running 1.30: it ignores unknown options and bad values in silence, so they are checked by
 * us; `['cuda','cpu']` throws where CUDA is absent, so providers are tried one by one; it lists `cuda` as supported on
 * every Linux, so only the failure tells; a second release throws; its error texts hold build paths, so they are for the
 * log only.
 *
 * Sessions are made of its binding, not of its InferenceSession: that one waits a turn of the event loop before every run,
 * although the run itself is synchronous. On the front thread that turn reads the next requests between a batch and its
 * run, and makes the run time that is measured theirs as well.
 */

import * as ort from 'onnxruntime-node';
import { type Binding, binding, initOrt } from 'onnxruntime-node/dist/binding.js';
import { type Datatype, datatype } from '../core/datatype.ts';
import {
  type LooseOutput,
  RunError,
  type RunRequest,
  type RunResult,
  type SessionInfo,
  type SessionOptions,
  type SessionSpec,
} from '../core/instance.ts';
import { elementCount, type TensorSpec } from '../core/tensor.ts';

type Elements = ort.Tensor.DataType;
type NumericArray =
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | BigUint64Array
  | Int8Array
  | Int16Array
  | Int32Array
  | BigInt64Array
  | Float32Array
  | Float64Array;
type ArrayMaker = new (buffer: SharedArrayBuffer, offset: number, length: number) => NumericArray;

/** ONNX Runtime's name, its number in model files (onnx.proto, TensorProto.DataType) and array class for each datatype. */
const ORT_TYPES: Partial<Record<Datatype, readonly [ort.Tensor.Type, number, ArrayMaker | null]>> = {
  BOOL: ['bool', 9, Uint8Array],
  UINT8: ['uint8', 2, Uint8Array],
  UINT16: ['uint16', 4, Uint16Array],
  UINT32: ['uint32', 12, Uint32Array],
  UINT64: ['uint64', 13, BigUint64Array],
  INT8: ['int8', 3, Int8Array],
  INT16: ['int16', 5, Int16Array],
  INT32: ['int32', 6, Int32Array],
  INT64: ['int64', 7, BigInt64Array],
  FP16: ['float16', 10, Uint16Array],
  FP32: ['float32', 1, Float32Array],
  FP64: ['float64', 11, Float64Array],
  BYTES: ['string', 8, null],
};

const FROM_ONNX = new Map(Object.entries(ORT_TYPES).map(([name, [, number]]) => [number, name as Datatype]));

/** No options of a single run are used. */
const NO_OPTIONS = {};

type Entries = Readonly<Record<string, unknown>>;

/** Spinning threads of several instances would take each other's core. */
const QUIET_THREADS: Entries = { session: { intra_op: { allow_spinning: '0' } } };

/** How ONNX Runtime says that a provider's libraries or device are missing, rather than that the model is wrong. */
const ABSENT = /AppendExecutionProvider|shared library|no CUDA-capable device/i;

// The same as logSeverityLevel below, for what it says before it has a session: absent libraries, with their paths.
ort.env.logLevel = 'fatal';
initOrt();

/** Version of ONNX Runtime. */
export const ONNX_RUNTIME_VERSION: string = ort.env.versions.node ?? ort.env.versions.common;

/** A loaded model. Runs do not overlap: its lane gives it one batch at a time. */
export class Session {
  readonly info: SessionInfo;
  readonly #session: Binding.InferenceSession;
  readonly #arena: SharedArrayBuffer;
  #released = false;

  private constructor(session: Binding.InferenceSession, arena: SharedArrayBuffer, info: SessionInfo) {
    this.#session = session;
    this.#arena = arena;
    this.info = info;
  }

  /**
   * Loads the file of `spec`.
   * @throws {RunError} EXECUTION_FAILED with a text for the log
   */
  static async open(spec: SessionSpec, arena: SharedArrayBuffer): Promise<Session> {
    let last: unknown;
    let passedOver = '';
    for (const provider of spec.options.executionProviders) {
      try {
        const session = create(spec, provider);
        return new Session(session, arena, { signature: readSignature(session), provider: provider.name, passedOver });
      } catch (error) {
        const absent = absentProvider(provider.name, error);
        last = absent ?? error;
        passedOver ||= absent?.message.split('\n', 1)[0] ?? `${provider.name} did not take the model`;
      }
    }
    throw new RunError('EXECUTION_FAILED', messageOf(last));
  }

  /**
   * Runs one batch on arena memory, before it returns; outputs with a place are written there.
   * @throws {RunError} EXECUTION_FAILED
   */
  async run(request: RunRequest): Promise<RunResult> {
    const { inputs, outputs } = this.info.signature;
    const feeds: Record<string, ort.Tensor> = {};
    for (let i = 0; i < inputs.length; i++) {
      const input = request.inputs[i];
      feeds[inputs[i].name] =
        input.strings === null
          ? this.#view(inputs[i], input.offset, input.dims)
          : new ort.Tensor('string', input.strings as string[], input.dims);
    }
    const fetches: Record<string, ort.Tensor | null> = {};
    for (let o = 0; o < outputs.length; o++) {
      const place = request.outputs[o];
      fetches[outputs[o].name] = place === null ? null : this.#view(outputs[o], place.offset, place.dims);
    }
    const startedMs = performance.now();
    let results: ReturnType<Binding.InferenceSession['run']>;
    try {
      results = this.#session.run(feeds, fetches, NO_OPTIONS);
    } catch (error) {
      throw new RunError('EXECUTION_FAILED', messageOf(error));
    }
    const runUs = Math.round((performance.now() - startedMs) * 1000);
    return {
      outputs: outputs.map((spec, o) => (request.outputs[o] ? null : loose(results[spec.name] as ort.Tensor))),
      runUs,
    };
  }

  /** Gives ONNX Runtime's memory back; a second call does nothing. */
  async release(): Promise<void> {
    if (this.#released) return;
    this.#released = true;
    this.#session.dispose();
  }

  #view(spec: TensorSpec, offset: number, dims: readonly number[]): ort.Tensor {
    const [type, , maker] = ORT_TYPES[spec.datatype.name] as readonly [ort.Tensor.Type, number, ArrayMaker];
    const data = new maker(this.#arena, offset, elementCount(dims));
    return new ort.Tensor(type, data as Elements, dims);
  }
}

/**
 * ONNX Runtime's arena keeps the largest memory that a run ever took, and its patterns one entry per combination of shapes:
 * where callers choose the inner shapes, one of them could make both grow, so such a model goes without.
 */
function create(spec: SessionSpec, provider: SessionOptions['executionProviders'][number]): Binding.InferenceSession {
  const options = sessionOptions(spec.options, provider);
  const session = load(spec.path, options);
  const { inputs, outputs } = readSignature(session);
  if ([...inputs, ...outputs].every(({ shape }) => elementCount(shape, 1) >= 0)) return session;
  // Only the loaded model tells its shapes.
  session.dispose();
  return load(spec.path, { ...options, enableCpuMemArena: false, enableMemPattern: false });
}

function load(path: string, options: ort.InferenceSession.SessionOptions): Binding.InferenceSession {
  const session = new binding.InferenceSession();
  session.loadModel(path, options);
  return session;
}

function loose(tensor: ort.Tensor): LooseOutput {
  const dims = [...tensor.dims];
  if (tensor.type === 'string') return { dims, bytes: null, strings: tensor.data as string[] };
  const data = tensor.data as NumericArray;
  return { dims, bytes: new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength), strings: null };
}

/** What ONNX Runtime is told for a model on one of its providers. */
export function sessionOptions(
  options: SessionOptions,
  provider: SessionOptions['executionProviders'][number],
): ort.InferenceSession.SessionOptions {
  return {
    executionProviders: [provider.name === 'cuda' ? { name: 'cuda', deviceId: provider.deviceId } : 'cpu'],
    graphOptimizationLevel: options.graphOptimization,
    intraOpNumThreads: options.intraOpThreads,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    enableCpuMemArena: true,
    extra: merged(QUIET_THREADS, options.extra),
    // Its own lines on standard error would hold paths; failures are thrown, and logged by us.
    logSeverityLevel: 4,
  };
}

/** `over` laid over `base`, mapping by mapping: the depth is that of `base`. */
function merged(base: Entries, over: Entries): Entries {
  const result: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const below = result[key];
    result[key] = isEntries(below) && isEntries(value) ? merged(below, value) : value;
  }
  return result;
}

function isEntries(value: unknown): value is Entries {
  return typeof value === 'object' && value !== null;
}

/** One clear sentence, which may be shown, and on the lines behind it what ONNX Runtime said. */
function absentProvider(name: string, error: unknown): Error | null {
  const text = messageOf(error);
  const offered = ort.listSupportedBackends().some((backend) => backend.name === name);
  if (name === 'cpu' || (offered && !ABSENT.test(text))) return null;
  return new Error(`the model asks for ${name}, which is absent on this machine\n${text}`);
}

function readSignature(session: Binding.InferenceSession): SessionInfo['signature'] {
  return { inputs: session.inputMetadata.map(readSpec), outputs: session.outputMetadata.map(readSpec) };
}

function readSpec(meta: Binding.ValueMetadata): TensorSpec {
  if (!meta.isTensor) throw new Error(`'${meta.name}' is not a tensor`);
  const name = FROM_ONNX.get(meta.type);
  if (name === undefined) throw new Error(`Unsupported data type: ${meta.type}`);
  return { name: meta.name, datatype: datatype(name), shape: [...meta.shape] };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
