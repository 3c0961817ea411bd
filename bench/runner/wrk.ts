/** wrk as the generator: closed loop, on the other core. */

import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** One request, sent again and again. */
export interface Load {
  readonly path: string;
  readonly body: Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
}

/** What a slice of load brought. */
export interface Slice {
  readonly requests: number;
  readonly perSecond: number;
  readonly p50Us: number;
  readonly p99Us: number;
}

/** The same, and what wrk took. */
export interface WrkSlice extends Slice {
  /** CPU that a request cost wrk itself. */
  readonly cpuUs: number;
}

/** Runs a command in a shell, which then says what its children took. */
const TIMED = '"$0" "$@"; code=$?; times; exit $code';

/** A load as a script of wrk. */
export class Wrk {
  readonly #folder = mkdtempSync(join(tmpdir(), 'penstock-wrk-'));
  readonly #script = join(this.#folder, 'load.lua');
  readonly #path: string;

  readonly #timeoutS: number;

  /** @param timeoutS an answer that takes longer is a failed socket; wrk's own default */
  constructor(load: Load, timeoutS = 2) {
    this.#timeoutS = timeoutS;
    const headers = Object.entries(load.headers).map(([name, value]) => `wrk.headers["${name}"]="${value}"\n`);
    writeFileSync(this.#script, `wrk.method="POST"\nwrk.body="${escaped(load.body)}"\n${headers.join('')}`);
    this.#path = load.path;
  }

  /** Load for `seconds`. @throws where an answer was no 2xx or a socket failed */
  async slice(url: string, connections: number, seconds: number, core: number | string): Promise<WrkSlice> {
    const args = [
      '-c',
      String(core),
      'wrk',
      '-t1',
      `-c${connections}`,
      `-d${seconds}`,
      `--timeout=${this.#timeoutS}s`,
      '--latency',
      '-s',
      this.#script,
    ];
    const { stdout } = await run('bash', ['-c', TIMED, 'taskset', ...args, url + this.#path]);
    if (/Non-2xx|Socket errors/.test(stdout)) throw new Error(`the load was not answered well:\n${stdout}`);
    const requests = Number(/(\d+) requests in/.exec(stdout)?.[1]);
    return {
      requests,
      cpuUs: childrenUs(stdout) / requests,
      perSecond: Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1]),
      p50Us: microseconds(/50%\s+([\d.]+)(us|ms|s)/.exec(stdout)),
      p99Us: microseconds(/99%\s+([\d.]+)(us|ms|s)/.exec(stdout)),
    };
  }

  dispose(): void {
    rmSync(this.#folder, { recursive: true });
  }
}

/** The last line of the shell's `times`: user and system time of its children, microseconds. */
function childrenUs(output: string): number {
  const line = output.trimEnd().split('\n').at(-1) ?? '';
  return [...line.matchAll(/(\d+)m([\d.]+)s/g)].reduce((us, [, m, s]) => us + (Number(m) * 60 + Number(s)) * 1e6, 0);
}

/** Whether wrk is there. */
export async function hasWrk(): Promise<boolean> {
  return run('wrk', ['-v']).then(
    () => true,
    (error: { code?: unknown }) => error.code !== 'ENOENT',
  );
}

/** Bytes as the inside of a string of Lua. */
export function escaped(bytes: Uint8Array): string {
  return [...bytes].map((byte) => `\\${String(byte).padStart(3, '0')}`).join('');
}

/** A time as wrk prints it. */
export function microseconds(match: RegExpExecArray | null): number {
  const unit = { us: 1, ms: 1e3, s: 1e6 }[match?.[2] ?? 'us'] ?? 1;
  return Number(match?.[1]) * unit;
}
