/** The arguments of `penstock bench`, understood: every mistake is one line that says what was expected and what was found. */

import { lookup } from 'node:dns/promises';
import { parseArgs } from 'node:util';
import { LoadError } from '../load/error.ts';
import type { Arrivals } from '../load/figures.ts';
import type { DeadlineForm } from '../load/inputs.ts';
import { MAX_ARRIVALS, MAX_CONNECTIONS } from '../load/open-loop.ts';

/** What is to be done. */
export type BenchMode =
  | { readonly kind: 'rate'; readonly rate: number }
  | { readonly kind: 'concurrency'; readonly concurrency: number }
  | { readonly kind: 'ramp' }
  | { readonly kind: 'overload' };

/** A command as it was meant. */
export interface BenchOptions {
  readonly url: URL;
  readonly model: string;
  readonly version: string | null;
  readonly mode: BenchMode;
  readonly arrivals: Arrivals;
  readonly deadlineMs: number | null;
  readonly sendDeadline: DeadlineForm | null;
  readonly form: 'json' | 'binary';
  /** A file of requests; null makes them from the model's metadata. */
  readonly input: string | null;
  readonly batch: number;
  readonly connections: number;
  readonly durationS: number;
  readonly repeat: number;
  readonly seed: number;
  readonly jsonFile: string | null;
  readonly htmlFile: string | null;
  readonly allowRemote: boolean;
}

/** A command that cannot be meant. The message is one line. */
export class UsageError extends Error {}

const ARRIVALS: readonly Arrivals[] = ['poisson', 'uniform', 'bursty'];
const DEADLINE_FORMS: readonly DeadlineForm[] = ['header', 'parameter'];

/** Faster than any generator here: a mistyped rate. */
const MAX_RATE = 1_000_000;
const MAX_DURATION_S = 86_400;
const MAX_DEADLINE_MS = 3_600_000;
const MAX_BATCH = 65_536;
const MAX_REPEATS = 1000;
const DEFAULT_CONCURRENCY = 16;
/** Of an open loop: callers who do not wait for each other. Fewer would hide from the server what is beyond its capacity. */
const DEFAULT_CONNECTIONS = 512;
const DEFAULT_DURATION_S = 10;

const FLAGS = {
  model: { type: 'string' },
  'model-version': { type: 'string' },
  rate: { type: 'string' },
  concurrency: { type: 'string' },
  ramp: { type: 'boolean' },
  overload: { type: 'boolean' },
  arrivals: { type: 'string' },
  deadline: { type: 'string' },
  'send-deadline': { type: 'string' },
  binary: { type: 'boolean' },
  'json-body': { type: 'boolean' },
  'json-file': { type: 'string' },
  html: { type: 'string' },
  input: { type: 'string' },
  batch: { type: 'string' },
  connections: { type: 'string' },
  duration: { type: 'string' },
  repeat: { type: 'string' },
  seed: { type: 'string' },
  'allow-remote': { type: 'boolean' },
} as const;

type Values = ReturnType<typeof parse>['values'];

/** @throws {UsageError} */
export function understandBench(args: readonly string[]): BenchOptions {
  const { values, positionals } = parse(args);
  if (positionals.length !== 1) throw new UsageError('one URL is expected, for instance http://127.0.0.1:8000');
  if (values.model === undefined) throw new UsageError('--model says which model is to be loaded');
  if (values.binary && values['json-body']) throw new UsageError('--binary and --json cannot both be');
  if (values.binary && values.input !== undefined) {
    throw new UsageError('--binary makes bodies from metadata; the requests of --input are sent as JSON');
  }
  const durationS = amount(values, 'duration', DEFAULT_DURATION_S, MAX_DURATION_S);
  const deadlineMs = values.deadline === undefined ? null : amount(values, 'deadline', 0, MAX_DEADLINE_MS);
  const sendDeadline =
    values['send-deadline'] === undefined ? null : oneOf(values, 'send-deadline', DEADLINE_FORMS, 'header');
  if (sendDeadline !== null && deadlineMs === null) throw new UsageError('--send-deadline needs a --deadline to send');
  const mode = modeOf(values, durationS);
  mustBeOfUse(values, mode);
  const connections = mode.kind === 'concurrency' ? mode.concurrency : DEFAULT_CONNECTIONS;
  return {
    url: urlOf(positionals[0] as string),
    model: values.model,
    version: values['model-version'] ?? null,
    mode,
    arrivals: oneOf(values, 'arrivals', ARRIVALS, 'poisson'),
    deadlineMs,
    sendDeadline,
    form: values.binary ? 'binary' : 'json',
    input: values.input ?? null,
    batch: whole(values, 'batch', 1, 1, MAX_BATCH),
    connections: whole(values, 'connections', connections, 1, MAX_CONNECTIONS),
    durationS,
    repeat: whole(values, 'repeat', 1, 1, MAX_REPEATS),
    seed: whole(values, 'seed', 1, 0, Number.MAX_SAFE_INTEGER - MAX_REPEATS),
    jsonFile: values['json-file'] ?? null,
    htmlFile: values.html ?? null,
    allowRemote: values['allow-remote'] ?? false,
  };
}

/** A flag that would be ignored was meant for something. */
function mustBeOfUse(values: Values, { kind }: BenchMode): void {
  const open = kind === 'concurrency' ? ' is for open loops: --rate, --ramp, --overload' : '';
  if (open !== '' && values.connections !== undefined) throw new UsageError(`--connections${open}`);
  if (open !== '' && values.arrivals !== undefined) throw new UsageError(`--arrivals${open}`);
  if ((kind === 'ramp' || kind === 'overload') && values.repeat !== undefined) {
    throw new UsageError(`--repeat is for single loads, not for --${kind}`);
  }
  if (values.batch !== undefined && values.input !== undefined) {
    throw new UsageError('--batch makes bodies from metadata; --input brings its own');
  }
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: namedJson(args), options: FLAGS, allowPositionals: true, strict: true });
  } catch (error) {
    const [line = ''] = (error as Error).message.split('\n');
    throw new UsageError(line.replace(/json-(body|file)/g, 'json'));
  }
}

/** `--json` alone asks for JSON bodies, with a file behind it for a report there. */
function namedJson(args: readonly string[]): string[] {
  return args.map((arg, i) => {
    if (arg.startsWith('--json=')) return arg.replace('--json=', '--json-file=');
    if (arg !== '--json') return arg;
    const next = args[i + 1];
    // The URL may follow it, with or without a scheme.
    const isFile = next !== undefined && !next.startsWith('-') && !/^https?:|^[\w.-]+:\d+$/i.test(next);
    return isFile ? '--json-file' : '--json-body';
  });
}

function modeOf(values: Values, durationS: number): BenchMode {
  const asked = (['rate', 'concurrency', 'ramp', 'overload'] as const).filter((name) => values[name] !== undefined);
  if (asked.length > 1) throw new UsageError(`only one of --${asked.join(' and --')} can be`);
  const [kind = 'concurrency'] = asked;
  if (kind === 'ramp' || kind === 'overload') return { kind };
  if (kind === 'concurrency') {
    return { kind, concurrency: whole(values, 'concurrency', DEFAULT_CONCURRENCY, 1, MAX_CONNECTIONS) };
  }
  const rate = amount(values, 'rate', 0, MAX_RATE);
  if (rate * durationS > MAX_ARRIVALS) {
    throw new UsageError(`--rate ${rate} for ${durationS} s is more than ${MAX_ARRIVALS} requests`);
  }
  return { kind, rate };
}

function urlOf(text: string): URL {
  const url = URL.canParse(text) && /^[a-z]+:\/\//i.test(text) ? text : `http://${text}`;
  if (!URL.canParse(url)) throw new UsageError(`'${text}' is no URL`);
  const parsed = new URL(url);
  if (parsed.username !== '' || parsed.password !== '') {
    throw new UsageError('a URL with a password in it would stand in reports: put a token into PENSTOCK_TOKEN');
  }
  return parsed;
}

function amount(values: Values, name: 'rate' | 'duration' | 'deadline', fallback: number, most: number): number {
  const text = values[name];
  if (text === undefined) return fallback;
  const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
  if (value > 0 && value <= most) return value;
  throw new UsageError(`--${name}: expected a number over 0 and up to ${most}, found '${text}'`);
}

type WholeFlag = 'batch' | 'concurrency' | 'connections' | 'repeat' | 'seed';

function whole(values: Values, name: WholeFlag, fallback: number, least: number, most: number): number {
  const text = values[name];
  if (text === undefined) return fallback;
  const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= least && value <= most) return value;
  throw new UsageError(`--${name}: expected a whole number from ${least} to ${most}, found '${text}'`);
}

function oneOf<T extends string>(
  values: Values,
  name: 'arrivals' | 'send-deadline',
  known: readonly T[],
  fallback: T,
): T {
  const text = values[name] ?? fallback;
  const found = known.find((value) => value === text);
  if (found !== undefined) return found;
  throw new UsageError(`--${name}: expected one of ${known.join(', ')}, found '${text}'`);
}

/**
 * A load test is aimed by intent: what is not this machine must be said to be meant.
 * @throws {UsageError} where the host is another machine, or a name of one. @throws {LoadError} where there is no such host
 */
export async function mustBeLoopback({ url, allowRemote }: BenchOptions): Promise<void> {
  if (allowRemote) return;
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const found = await lookup(host, { all: true }).catch(() => []);
  if (found.length === 0) throw new LoadError('unreachable', `${host}: there is no such host`);
  if (found.every(({ address }) => isLoopback(address))) return;
  throw new UsageError(`${host} is not this machine: say --allow-remote to load it`);
}

function isLoopback(address: string): boolean {
  return /^(?:::ffff:)?127\./i.test(address) || address === '::1';
}
