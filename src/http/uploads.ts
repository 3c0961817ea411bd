/**
 * Bodies that are still coming, and how fast: a client that holds a request open and sends next to nothing is answered 408
 * before uWebSockets.js would drop it in silence, one whose deadline passes 504, and none may take for ever. Bodies that came
 * whole cost one push.
 */

import type { Clock } from '../core/clock.ts';
import { GatewayError } from '../core/error.ts';
import type { Limit } from '../core/limit.ts';

const US_PER_S = 1e6;

/** Time between looks: whatever ends an upload may be noticed so much later. */
const LOOK_MS = 250;

/** A request whose body may still be coming. */
export interface Upload {
  /** False once the last byte is in, or nobody waits for it. */
  readonly uploading: boolean;
  readonly received: number;
  /** When its answer is of no use any more, as far as is known yet; Infinity where it has no deadline. */
  readonly deadlineUs: number;
  /** Ends the request with `error` and closes its connection. */
  refuse(error: GatewayError): void;
}

/** What is asked of a body. */
export interface UploadLimits {
  /** Speed is judged over so many seconds. */
  readonly bodyStallS: number;
  readonly bodyBytesPerS: number;
  readonly bodyTimeS: number;
}

/** One upload between two judgements of its speed. */
interface Watched {
  readonly upload: Upload;
  readonly sinceUs: number;
  windowUs: number;
  windowBytes: number;
}

/** Watches the uploads of one listener. */
export class UploadWatch {
  readonly #clock: Clock;
  readonly #limits: UploadLimits;
  /** Those that began in this turn of the loop: nearly all of them end in it. */
  #fresh: Upload[] = [];
  readonly #watched = new Set<Watched>();
  #timer: NodeJS.Timeout | null = null;

  constructor(clock: Clock, limits: UploadLimits) {
    this.#clock = clock;
    this.#limits = limits;
  }

  /** A request with a body has begun. */
  began(upload: Upload): void {
    this.#fresh.push(upload);
  }

  /** To be called when a turn of the loop has ended: what is still coming is watched from here on. */
  turned(): void {
    if (this.#fresh.length === 0) return;
    for (const upload of this.#fresh) if (upload.uploading) this.#watch(upload);
    this.#fresh = [];
  }

  /** Ends every upload that is not complete. */
  refuseAll(error: () => GatewayError): void {
    this.turned();
    for (const { upload } of this.#watched) if (upload.uploading) upload.refuse(error());
    this.dispose();
  }

  /** Stops looking. */
  dispose(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    this.#watched.clear();
  }

  #watch(upload: Upload): void {
    const nowUs = this.#clock.nowUs();
    this.#watched.add({ upload, sinceUs: nowUs, windowUs: nowUs, windowBytes: upload.received });
    this.#timer ??= setInterval(() => this.look(), LOOK_MS).unref();
  }

  /** Judges every upload; by the timer, and by tests. */
  look(): void {
    const nowUs = this.#clock.nowUs();
    for (const watched of this.#watched) {
      const { upload } = watched;
      const fault = upload.uploading ? this.#judge(watched, nowUs) : null;
      if (fault !== null) upload.refuse(fault);
      if (!upload.uploading || fault !== null) this.#watched.delete(watched);
    }
    if (this.#watched.size === 0) this.dispose();
  }

  /** Why this upload must end; null where it may go on. */
  #judge(watched: Watched, nowUs: number): GatewayError | null {
    const { bodyStallS, bodyBytesPerS, bodyTimeS } = this.#limits;
    if (nowUs > watched.upload.deadlineUs) {
      const ms = Math.round((nowUs - watched.sinceUs) / 1000);
      return new GatewayError('DEADLINE_EXCEEDED', `the deadline passed after ${ms} ms, before the body was complete`);
    }
    if (nowUs - watched.sinceUs > bodyTimeS * US_PER_S) {
      return tooSlow(`the body was not complete after ${bodyTimeS} s`, 'bodyTimeS');
    }
    if (nowUs - watched.windowUs < bodyStallS * US_PER_S) return null;
    const came = watched.upload.received - watched.windowBytes;
    if (came < bodyStallS * bodyBytesPerS) {
      return tooSlow(`the body came slower than ${bodyBytesPerS} bytes per second`, 'bodyBytesPerS');
    }
    watched.windowUs = nowUs;
    watched.windowBytes = watched.upload.received;
    return null;
  }
}

function tooSlow(sentence: string, limit: Limit): GatewayError {
  return new GatewayError('REQUEST_TIMEOUT', sentence, { limit });
}
