/**
 * Keeps web pages from driving a loopback server: POST and admin routes need a `Host` that names this machine and an
 * `Origin` that is absent, the same, or allowed (DNS rebinding and cross-site requests).
 */

import { isIP } from 'node:net';
import { GatewayError } from '../core/error.ts';

/** Verdicts remembered, so that the usual Host costs one look-up; bounded, since clients choose the text. */
const MOST_REMEMBERED = 64;

/** Judges the `Host` and `Origin` headers. */
export class HostGuard {
  readonly #hosts: ReadonlySet<string>;
  readonly #origins: ReadonlySet<string>;
  readonly #verdicts = new Map<string, boolean>();
  /** The last Host that was allowed: most often the next one. */
  #last = '';

  /** @param hosts names allowed besides IP literals and localhost. @param origins full origins (`https://a.b`). */
  constructor(hosts: readonly string[], origins: readonly string[]) {
    this.#hosts = new Set(hosts.map((host) => host.toLowerCase()));
    this.#origins = new Set(origins.map((origin) => origin.toLowerCase()));
  }

  /** @throws {GatewayError} PERMISSION_DENIED */
  check(host: string, origin: string): void {
    if (origin === '' && host === this.#last && host !== '') return;
    if (!this.#hostAllowed(host)) {
      throw new GatewayError('PERMISSION_DENIED', "this 'Host' is not allowed; add it to allowedHosts to serve it");
    }
    this.#last = host;
    if (origin === '' || this.#origins.has(origin.toLowerCase())) return;
    const same = /^https?:\/\/([^/]+)$/i.exec(origin);
    if (same === null || (same[1] as string).toLowerCase() !== host.toLowerCase()) {
      throw new GatewayError('PERMISSION_DENIED', "this 'Origin' is not allowed; add it to allowedOrigins to serve it");
    }
  }

  #hostAllowed(host: string): boolean {
    const known = this.#verdicts.get(host);
    if (known !== undefined) return known;
    const verdict = this.#judge(host.toLowerCase());
    if (this.#verdicts.size >= MOST_REMEMBERED) this.#verdicts.clear();
    this.#verdicts.set(host, verdict);
    return verdict;
  }

  #judge(host: string): boolean {
    const match = /^(\[[0-9a-f:.]+\]|[^:]+)(?::\d{1,5})?$/.exec(host);
    if (match === null) return false;
    const name = (match[1] as string).replace(/^\[|\]$/g, '');
    return isIP(name) !== 0 || name === 'localhost' || this.#hosts.has(name) || this.#hosts.has(host);
  }
}
