/**
 * Who is sent when, on which connection: a state machine on injected time that never waits for anything and owns no socket.
 * Every arrival is given out once, in order, and never again, whatever becomes of it: there are no retries.
 * An arrival that finds no connection waits, and its wait counts. Those who wait cost nothing: the queue is the part of the
 * drawn times that was not read yet, so no server, however slow, makes it grow.
 */

import type { ArrivalTimes } from './arrivals.ts';
import { Chains, NONE } from './chains.ts';

/** Answer of `due`: the next arrival failed, because every connection could not be opened a moment ago. */
export const DOWN = -2;

/** How long a connection that could not be opened rests, microseconds. Nothing else makes a connection rest. */
export const REOPEN_PAUSE_US = 100_000;

/** What became of a connection at the end of a request: it can carry the next, must be opened again, or could not be opened. */
export type Fate = 'kept' | 'closed' | 'unreachable';

const CLOSED = 0;
const FREE = 1;
const BUSY = 2;
const LISTS = 3;

/**
 * The plan of one run. Connections are numbers from 0; all are closed first. A closed one is opened by the request that needs
 * it, so that there is never an attempt without an arrival behind it. All times are microseconds on one clock.
 */
export class Schedule {
  readonly #arrivals: ArrivalTimes;
  readonly #endUs: number;
  readonly #chains: Chains;
  /** Since when a connection may carry a request, by connection; the other arrays are about its latest request. */
  readonly #usableUs: Float64Array;
  readonly #intendedUs: Float64Array;
  readonly #readyUs: Float64Array;
  readonly #givenUs: Float64Array;
  /** Intended time of the arrival that is next; Infinity where there is no more. */
  #headUs: number;
  #given = 0;
  #inFlight = 0;

  /** @param endUs arrivals from this time on do not belong to the run */
  constructor(arrivals: ArrivalTimes, connections: number, endUs: number) {
    this.#arrivals = arrivals;
    this.#endUs = endUs;
    this.#chains = new Chains(connections, LISTS);
    this.#usableUs = new Float64Array(connections);
    this.#intendedUs = new Float64Array(connections);
    this.#readyUs = new Float64Array(connections);
    this.#givenUs = new Float64Array(connections);
    this.#headUs = this.#draw();
  }

  /** Arrivals given out so far, those answered `DOWN` included. */
  get given(): number {
    return this.#given;
  }

  /** Requests on connections. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** Whether every arrival of the run was given out. */
  get exhausted(): boolean {
    return this.#headUs === Number.POSITIVE_INFINITY;
  }

  /** For how long the oldest arrival has waited, 0 where none does. */
  waitingUs(nowUs: number): number {
    return Math.max(nowUs - this.#headUs, 0);
  }

  /**
   * Gives out the next arrival, if it is due and there is a connection for it: the connection, that must send at once.
   * `DOWN` where the arrival failed, `NONE` where there is nothing to do before `nextUs()`. Call it until it says `NONE`.
   */
  due(nowUs: number): number {
    if (this.#headUs > nowUs) return NONE;
    const connection = this.#usable(nowUs);
    if (connection !== NONE) {
      this.#give(connection, nowUs);
      return connection;
    }
    if (this.#inFlight > 0) return NONE;
    this.#advance();
    return DOWN;
  }

  /** When `due` has something to say next if nothing ends before; Infinity where only an end can bring it. */
  nextUs(): number {
    const nothingUsable = this.#chains.first(FREE) === NONE && this.#chains.first(CLOSED) === NONE;
    if (nothingUsable) return Number.POSITIVE_INFINITY;
    if (this.#chains.first(FREE) !== NONE || this.#inFlight === 0) return this.#headUs;
    return Math.max(this.#headUs, this.#usableUs[this.#chains.first(CLOSED)] as number);
  }

  /** When the request on a busy connection was to be sent. */
  intendedUs(connection: number): number {
    return this.#intendedUs[connection] as number;
  }

  /** When it could have been sent: then, or when the connection became free for it. */
  readyUs(connection: number): number {
    return this.#readyUs[connection] as number;
  }

  /** The busy connection whose request was given out first, if that was at `untilUs` or before; else `NONE`. */
  givenUntil(untilUs: number): number {
    const oldest = this.#chains.first(BUSY);
    return oldest !== NONE && (this.#givenUs[oldest] as number) <= untilUs ? oldest : NONE;
  }

  /** A closed connection was opened without a request. */
  opened(connection: number, nowUs: number): void {
    this.#usableUs[connection] = nowUs;
    this.#chains.append(FREE, connection);
  }

  /** The request on a busy connection has its answer, or failed. */
  ended(connection: number, nowUs: number, fate: Fate): void {
    this.#inFlight--;
    if (fate === 'kept') this.opened(connection, nowUs);
    else if (fate === 'closed') this.lost(connection, nowUs);
    else this.#rest(connection, nowUs);
  }

  /** A connection that carried nothing is closed, and may be opened at once. */
  lost(connection: number, nowUs: number): void {
    this.#usableUs[connection] = nowUs;
    // In front of those that rest: the list stays in the order in which they may be opened.
    this.#chains.prepend(CLOSED, connection);
  }

  /** Ends the plan. @returns how many arrivals before `untilUs` were never given out */
  abandon(untilUs = Number.POSITIVE_INFINITY): number {
    let left = 0;
    for (; this.#headUs < untilUs; left++) this.#headUs = this.#draw();
    this.#headUs = Number.POSITIVE_INFINITY;
    return left;
  }

  #rest(connection: number, nowUs: number): void {
    this.#usableUs[connection] = nowUs + REOPEN_PAUSE_US;
    this.#chains.append(CLOSED, connection);
  }

  /** A connection for a request now: the one free for longest, or one that may be opened. */
  #usable(nowUs: number): number {
    const free = this.#chains.first(FREE);
    if (free !== NONE) return free;
    const closed = this.#chains.first(CLOSED);
    return closed !== NONE && (this.#usableUs[closed] as number) <= nowUs ? closed : NONE;
  }

  #give(connection: number, nowUs: number): void {
    this.#intendedUs[connection] = this.#headUs;
    this.#readyUs[connection] = Math.max(this.#headUs, this.#usableUs[connection] as number);
    this.#givenUs[connection] = nowUs;
    this.#chains.append(BUSY, connection);
    this.#inFlight++;
    this.#advance();
  }

  #advance(): void {
    this.#given++;
    this.#headUs = this.#draw();
  }

  #draw(): number {
    const us = this.#arrivals.next();
    return us < this.#endUs ? us : Number.POSITIVE_INFINITY;
  }
}
