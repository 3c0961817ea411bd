/** Requests one behind the other, linked by themselves: who leaves costs the same wherever it stands, and nothing is allocated. */

import type { Traveller } from './travel.ts';

/** A line of waiting requests, in the order in which they came. */
export class Line<T extends Traveller> {
  head: T | null = null;
  tail: T | null = null;
  requests = 0;
  rows = 0;

  /** A request takes the last place. */
  push(request: T): void {
    request.place = this;
    request.previous = this.tail;
    request.next = null;
    if (this.tail === null) this.head = request;
    else this.tail.next = request;
    this.tail = request;
    this.requests++;
    this.rows += Math.max(1, request.rows);
  }

  /** A request takes the place before another one of the line. */
  insert(request: T, before: T): void {
    request.place = this;
    request.previous = before.previous;
    request.next = before;
    if (before.previous === null) this.head = request;
    else before.previous.next = request;
    before.previous = request;
    this.requests++;
    this.rows += Math.max(1, request.rows);
  }

  /** A request of the line leaves it. */
  drop(request: T): void {
    if (request.previous === null) this.head = request.next;
    else request.previous.next = request.next;
    if (request.next === null) this.tail = request.previous;
    else request.next.previous = request.previous;
    request.place = null;
    request.previous = null;
    request.next = null;
    this.requests--;
    this.rows -= Math.max(1, request.rows);
  }
}
