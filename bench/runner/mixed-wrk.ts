/** wrk with many different requests, one of so many of them wrong, and with pauses: a steady load below the capacity. */

import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { escaped, type Load, microseconds } from './wrk.ts';

const run = promisify(execFile);

/** What is sent. */
export interface Mix {
  readonly good: readonly Load[];
  /** Requests that must be refused. */
  readonly bad: readonly Load[];
  /** One of so many is a bad one. */
  readonly badEvery: number;
}

/** What a slice of the mix brought. */
export interface MixedSlice {
  readonly requests: number;
  readonly refused: number;
  readonly perSecond: number;
  readonly p99Us: number;
}

/** The generator of one mix. */
export class MixedWrk {
  readonly #folder = mkdtempSync(join(tmpdir(), 'penstock-mix-'));
  readonly #mix: Mix;

  constructor(mix: Mix) {
    this.#mix = mix;
  }

  /**
   * Load for whole `seconds`; each connection pauses `pauseMs` between two requests, on average.
   * @throws where the answers were not those of the mix, or a socket failed
   */
  async slice(url: string, connections: number, seconds: number, core: number, pauseMs = 0): Promise<MixedSlice> {
    const script = join(this.#folder, 'mix.lua');
    writeFileSync(script, lua(this.#mix, pauseMs));
    const wrk = ['wrk', '-t1', `-c${connections}`, `-d${seconds}`, '--latency', '-s', script, url];
    const { stdout } = await run('taskset', ['-c', String(core), ...wrk]);
    const found = {
      requests: Number(/(\d+) requests in/.exec(stdout)?.[1]),
      refused: Number(/Non-2xx or 3xx responses: (\d+)/.exec(stdout)?.[1] ?? 0),
      perSecond: Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1]),
      p99Us: microseconds(/99%\s+([\d.]+)(us|ms|s)/.exec(stdout)),
    };
    // What is under way at the end of a slice is sent and not counted.
    const expected = found.requests / this.#mix.badEvery;
    const off = Math.abs(found.refused - expected) > 2 + connections / this.#mix.badEvery + expected / 20;
    if (off || /Socket errors/.test(stdout)) throw new Error(`the load was not answered well:\n${stdout}`);
    return found;
  }

  dispose(): void {
    rmSync(this.#folder, { recursive: true });
  }
}

function lua({ good, bad, badEvery }: Mix, pauseMs: number): string {
  const list = (loads: readonly Load[]) => loads.map(request).join(',\n');
  // Whole milliseconds, spread evenly so that the connections do not march in step.
  const pause = `function delay() return math.floor(2 * ${pauseMs} * math.random() + 0.5) end\n`;
  return `
local good, bad, count = {}, {}, 0
function init(args)
  good = {${list(good)}}
  bad = {${list(bad)}}
end
function request()
  count = count + 1
  if count % ${badEvery} == 0 then return bad[count / ${badEvery} % #bad + 1] end
  return good[count % #good + 1]
end
${pauseMs > 0 ? pause : ''}`;
}

function request({ path, headers, body }: Load): string {
  const fields = Object.entries(headers).map(([name, value]) => `["${name}"]="${value}"`);
  return `wrk.format("POST", "${path}", {${fields.join(', ')}}, "${escaped(body)}")`;
}
