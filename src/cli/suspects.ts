/**
 * Which model versions ran when the server process died, and which have done so too often to be loaded again. Lives in the
 * supervisor: its knowledge ends with it.
 */

import { closeSync, existsSync, fstatSync, ftruncateSync, mkdtempSync, openSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RefusedVersion } from '../config/supervision.ts';
import { FAULT_BIT, MARK_BYTES, type MarkedSession } from '../native/crash-marks.ts';

/** A version that was there at so many deaths in a row is not loaded again until its files change. */
const MOST_DEATHS = 3;

/** Deaths are no longer in a row once the process has run for so long. */
const FORGOTTEN_AFTER_MS = 600_000;

/** Largest file of marks that is read: thousands of sessions. */
const MOST_MARK_BYTES = 16 * 1024 * 1024;

/** The file in which a child says what it runs. It has no name: nobody else can open it, and it ends with us. */
export class MarkFile {
  readonly descriptor: number;

  constructor() {
    // In memory where that can be had: a page that is written back to a disk would stall the thread that stores to it.
    const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'penstock-'));
    this.descriptor = openSync(join(folder, 'marks'), 'wx+', 0o600);
    rmSync(folder, { recursive: true });
    this.clear();
  }

  /** Makes it ready for the next child; the last one must have ended. */
  clear(): void {
    ftruncateSync(this.descriptor, 0);
    ftruncateSync(this.descriptor, MARK_BYTES);
  }

  /** The versions that ran at the end: those whose thread faulted, or all where none of them did. */
  suspects(): MarkedSession[] {
    const bytes = Buffer.alloc(Math.min(MOST_MARK_BYTES, fstatSync(this.descriptor).size));
    readSync(this.descriptor, bytes, 0, bytes.length, 0);
    const slots = Array.from({ length: MARK_BYTES / 4 }, (_, i) => bytes.readUInt32LE(4 * i)).filter((s) => s !== 0);
    const faulted = slots.filter((slot) => slot >= FAULT_BIT);
    const sessions = new Set((faulted.length > 0 ? faulted : slots).map((slot) => slot % FAULT_BIT));
    const lines = bytes.subarray(MARK_BYTES).toString('utf8').split('\n').slice(0, -1);
    return lines.map((line) => JSON.parse(line) as MarkedSession).filter(({ session }) => sessions.has(session));
  }

  close(): void {
    closeSync(this.descriptor);
  }
}

interface Strikes {
  readonly model: string;
  readonly version: string;
  readonly files: string;
  deaths: number;
  cause: string;
}

/** Deaths by model version. */
export class Suspects {
  readonly #strikes = new Map<string, Strikes>();

  /** The process died after `ranMs`, while these ran. */
  died(suspects: readonly MarkedSession[], cause: string, ranMs: number): void {
    if (ranMs > FORGOTTEN_AFTER_MS) this.#forgetOpen();
    for (const { model, version, files } of suspects) {
      const key = `${model}/${version}`;
      const known = this.#strikes.get(key);
      const deaths = known?.files === files ? known.deaths + 1 : 1;
      this.#strikes.set(key, { model, version, files, deaths, cause });
    }
  }

  /** What the next child must not load, unless its files are others by then. */
  refused(): RefusedVersion[] {
    return [...this.#strikes.values()]
      .filter(({ deaths }) => deaths >= MOST_DEATHS)
      .map(({ model, version, files, cause }) => ({ model, version, files, cause }));
  }

  #forgetOpen(): void {
    for (const [key, { deaths }] of this.#strikes) if (deaths < MOST_DEATHS) this.#strikes.delete(key);
  }
}
