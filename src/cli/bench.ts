/** `penstock bench`: a load on an Open Inference server, its figures on the terminal, and reports in files. */

import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { TOKEN_VARIABLE } from '../config/load.ts';
import { packageVersion } from '../config/version.ts';
import { compareReports, comparisonText } from '../load/compare.ts';
import { LoadError, type LoadErrorKind } from '../load/error.ts';
import type { LoadFigures, WireRequest } from '../load/figures.ts';
import { makeRequests } from '../load/inputs.ts';
import { overload } from '../load/overload.ts';
import { reportPage } from '../load/page.ts';
import { progressLine } from '../load/progress.ts';
import { deadlineFor, ramp } from '../load/ramp.ts';
import { type Capacity, type Report, readReport, thisMachine, writeReport, writeWhole } from '../load/report.ts';
import { readRequestFile } from '../load/request-file.ts';
import { type Bench, openLoop, runLoad } from '../load/run.ts';
import { describeServer, type Target } from '../load/target.ts';
import { headText, reportText, runText } from '../load/text.ts';
import { holds, loadName, plain, time } from '../load/units.ts';
import { type BenchOptions, mustBeLoopback, UsageError, understandBench } from './bench-options.ts';
import { EXIT, SAME_SIGNAL_MS } from './exit.ts';

const USAGE = `penstock bench URL --model M [--rate R | --concurrency C | --ramp | --overload]
  [--arrivals poisson|uniform|bursty] [--deadline MS] [--send-deadline header|parameter] [--binary | --json]
  [--input FILE] [--batch N] [--connections N] [--duration S] [--repeat N] [--seed N] [--model-version V]
  [--json FILE] [--html FILE] [--allow-remote]
penstock bench compare A.json B.json
A bearer token is taken from ${TOKEN_VARIABLE}.
`;

/** Before the first run of a single load. */
const WARM_UP_S = 1;

const EXITS: Readonly<Record<LoadErrorKind, number>> = {
  unreachable: EXIT.unavailable,
  'not-open-inference': EXIT.protocol,
  denied: EXIT.noPermission,
  'unknown-model': EXIT.unavailable,
  'not-ready': EXIT.unavailable,
  unsuitable: EXIT.usage,
  'bad-file': EXIT.data,
  'cannot-write': EXIT.cannotCreate,
};

/** Runs it. @returns the exit code, as sysexits.h has them; 130 where Ctrl-C ended it */
export async function bench(args: readonly string[]): Promise<number> {
  if (args.length === 0 || args.includes('--help')) {
    process.stdout.write(USAGE);
    return args.length === 0 ? EXIT.usage : EXIT.ok;
  }
  try {
    if (args[0] === 'compare') return await compare(args.slice(1));
    const options = understandBench(args);
    await mustBeLoopback(options);
    return await new Session(options, args).run();
  } catch (error) {
    if (!(error instanceof UsageError || error instanceof LoadError)) throw error;
    process.stderr.write(`penstock bench: ${error.message}\n`);
    return error instanceof LoadError ? EXITS[error.kind] : EXIT.usage;
  }
}

async function compare(files: readonly string[]): Promise<number> {
  const [a, b] = files;
  if (a === undefined || b === undefined || files.length > 2) {
    throw new UsageError('compare takes two reports, as --json FILE writes them');
  }
  process.stdout.write(comparisonText(compareReports(await readReport(a), await readReport(b))));
  return EXIT.ok;
}

/** One command: what it has brought so far is in its report at any time. */
class Session {
  readonly #options: BenchOptions;
  readonly #args: readonly string[];
  readonly #stop = new AbortController();
  readonly #runs: LoadFigures[] = [];
  #stoppedMs = 0;
  #report: Report | null = null;

  constructor(options: BenchOptions, args: readonly string[]) {
    this.#options = options;
    this.#args = args;
  }

  async run(): Promise<number> {
    const stop = () => this.#onSignal();
    process.on('SIGINT', stop);
    process.on('SIGTERM', stop);
    try {
      const bench = await this.#prepare();
      try {
        await this.#load(bench);
        await this.#save({ complete: !this.#stop.signal.aborted });
      } finally {
        // Whatever ended it: what was measured is shown.
        this.#conclude();
      }
      return this.#exitCode();
    } finally {
      process.off('SIGINT', stop);
      process.off('SIGTERM', stop);
      clearProgress();
    }
  }

  /** The first one ends the load and keeps what it brought; one that comes much later ends the process. */
  #onSignal(): void {
    const nowMs = performance.now();
    if (this.#stop.signal.aborted && nowMs - this.#stoppedMs > SAME_SIGNAL_MS) process.exit(EXIT.interrupted);
    if (!this.#stop.signal.aborted) this.#stoppedMs = nowMs;
    this.#stop.abort();
  }

  async #prepare(): Promise<Bench> {
    const { url, model, version, connections, durationS, deadlineMs, arrivals, seed } = this.#options;
    const token = process.env[TOKEN_VARIABLE] || null;
    const target = await describeServer(url, model, version, token);
    const requests = await this.#requests(target, token);
    this.#report = this.#firstReport(target);
    process.stdout.write(headText(this.#report));
    // A file that cannot be written is said before the load, not after it.
    await this.#save({});
    const onProgress = showProgress;
    const onRun = (figures: LoadFigures) => this.#keep(figures);
    const { signal } = this.#stop;
    return { target, requests, token, connections, durationS, deadlineMs, arrivals, seed, signal, onProgress, onRun };
  }

  async #requests(target: Target, token: string | null): Promise<readonly WireRequest[]> {
    const { input, form, batch, seed, deadlineMs, sendDeadline } = this.#options;
    const common = { deadlineMs, sendDeadline, token };
    if (input !== null) return readRequestFile(input, target.path, common);
    return makeRequests(target, { ...common, form, batch, seed });
  }

  async #load(bench: Bench): Promise<void> {
    const { mode, repeat, deadlineMs } = this.#options;
    if (mode.kind === 'ramp' || mode.kind === 'overload') {
      const held = { ...bench, deadlineMs: await deadlineFor(bench) };
      if (deadlineMs === null) process.stdout.write(`deadline: ${held.deadlineMs} ms, from an unloaded server's p99\n`);
      return mode.kind === 'ramp' ? this.#ramp(held) : this.#overload(held);
    }
    const loop =
      mode.kind === 'rate' ? openLoop(bench, mode.rate) : { kind: 'closed' as const, concurrency: mode.concurrency };
    // The first requests compile code on both sides: they are sent, and not counted.
    await runLoad({ ...bench, onProgress: () => undefined }, loop, { durationS: WARM_UP_S });
    for (let i = 0; i < repeat && !this.#stop.signal.aborted; i++) {
      const figures = await runLoad({ ...bench, seed: bench.seed + i }, loop);
      clearProgress();
      process.stdout.write(`\n${runText(figures)}`);
      await this.#keep(figures);
    }
  }

  async #ramp(bench: Bench): Promise<void> {
    const { capacity } = await ramp(bench);
    await this.#save({ capacity });
    this.#sayNone(bench, capacity);
  }

  /** The search for the capacity is no part of the report's runs: those are what happens around it. */
  async #overload(bench: Bench): Promise<void> {
    const { capacity } = await ramp({ ...bench, onRun: async (figures) => showRun(figures) });
    await this.#save({ capacity });
    this.#sayNone(bench, capacity);
    if (capacity === null) return;
    const { recovery } = await overload(bench, capacity);
    await this.#save({ recovery });
    if (recovery === null) process.stdout.write('recovery: not known, the generator could not make the burst\n');
  }

  #sayNone({ deadlineMs }: Bench, capacity: Capacity | null): void {
    if (capacity === null) process.stdout.write(`capacity: none, no rate kept ${deadlineMs} ms at p99\n`);
  }

  async #keep(figures: LoadFigures): Promise<void> {
    this.#runs.push(figures);
    if (this.#options.mode.kind === 'ramp' || this.#options.mode.kind === 'overload') showRun(figures);
    await this.#save({});
  }

  async #save(change: Partial<Report>): Promise<void> {
    const { jsonFile, htmlFile } = this.#options;
    this.#report = { ...(this.#report as Report), ...change, runs: [...this.#runs] };
    if (jsonFile !== null) await writeReport(jsonFile, this.#report);
    if (htmlFile !== null) await writeWhole(htmlFile, reportPage(this.#report));
  }

  #firstReport({ server }: Target): Report {
    const { mode, url, model, version, seed } = this.#options;
    return {
      format: 'penstock-bench/1',
      complete: false,
      made: new Date().toISOString(),
      kind: mode.kind === 'ramp' || mode.kind === 'overload' ? mode.kind : 'single',
      command: ['penstock bench', ...this.#args].join(' '),
      url: url.href,
      model,
      version: version ?? '',
      seed,
      machine: thisMachine(),
      generator: { version: packageVersion(), commit: commitOf() },
      server,
      runs: [],
      capacity: null,
      recovery: null,
    };
  }

  #conclude(): void {
    clearProgress();
    if (this.#runs.length > 1) process.stdout.write(`\n${reportText(this.#report as Report)}`);
  }

  #exitCode(): number {
    if (this.#stop.signal.aborted) return EXIT.interrupted;
    if (this.#runs.every(({ ok, late }) => ok + late === 0)) return EXIT.unavailable;
    return this.#runs.every(({ generator }) => generator.void !== '') ? EXIT.again : EXIT.ok;
  }
}

const showProgress: Bench['onProgress'] = (progress, loop, totalS) => {
  if (!process.stderr.isTTY) return;
  // A line that wraps cannot be taken back.
  process.stderr.write(`\r\x1b[2K${progressLine(progress, loop, totalS).slice(0, (process.stderr.columns ?? 80) - 1)}`);
};

/** One line for a run of a series that is not over yet. */
function showRun(run: LoadFigures): void {
  clearProgress();
  const times = `p50 ${time(run.latency.p50)}, p99 ${time(run.latency.p99)}`;
  const what = holds(run) ? 'held' : run.generator.void === '' ? 'not held' : 'void';
  process.stderr.write(`${loadName(run.loop)}: goodput ${plain(run.goodput)}/s, ${times}: ${what}\n`);
}

function clearProgress(): void {
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[2K');
}

/** Of the checkout that this runs from; empty where there is none. */
function commitOf(): string {
  try {
    const cwd = fileURLToPath(new URL('.', import.meta.url));
    const output = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { cwd, stdio: ['ignore', 'pipe', 'ignore'] });
    return output.toString().trim();
  } catch {
    return '';
  }
}
