/**
 * What waits to be decoded, and whose turn it is. Who floods fills a line of his own: flows take turns by the work that they
 * are given (start-time fair queueing, as batching/turns explains it), and where too much waits who has most gives way.
 */

/** One that waits. Its links are the queue's. */
export interface Waiter<T> {
  /** Whose it is: those of one flow have their turns in the order in which they came. */
  readonly flow: string;
  /** Time that it is expected to take on a thread, microseconds; whole, so that sums come back to 0. */
  readonly work: number;
  /** Memory that it takes while it is decoded, bytes. */
  readonly bytes: number;
  /** And while it waits. */
  readonly fileBytes: number;
  previous: T | null;
  next: T | null;
}

/** All that waits of one flow. */
class Flow<T extends Waiter<T>> {
  head: T | null = null;
  tail: T | null = null;
  /** Those that stepped aside included. */
  pictures = 0;
  /** How many those are. */
  aside = 0;
  fileBytes = 0;
  /** Of those, and of what was announced. */
  work = 0;
  /** Work that it was given, from that of whose turn it was when it came. */
  virtual: number;

  constructor(virtual: number) {
    this.virtual = virtual;
  }

  push(waiter: T): void {
    waiter.previous = this.tail;
    if (this.tail === null) this.head = waiter;
    else this.tail.next = waiter;
    this.tail = waiter;
  }

  drop(waiter: T): void {
    if (waiter.previous === null) this.head = waiter.next;
    else waiter.previous.next = waiter.next;
    if (waiter.next === null) this.tail = waiter.previous;
    else waiter.next.previous = waiter.previous;
    waiter.previous = null;
    waiter.next = null;
  }
}

/** The queue. Nothing costs more than a look at every flow. */
export class DecodeQueue<T extends Waiter<T>> {
  pictures = 0;
  fileBytes = 0;
  /** Memory that all of them would take. */
  bytes = 0;
  readonly #flows = new Map<string, Flow<T>>();
  /** Whose turn came when there was no memory for them, in that order, and the work that may still pass them: mostly one of a flow. */
  readonly #aside: { readonly waiter: T; patience: number }[] = [];
  /** Of whose turn it was last. */
  #virtual = 0;

  /** One more comes. */
  push(waiter: T): void {
    // Where nobody waits nobody owes anything.
    if (this.pictures === 0) this.#forget(Number.POSITIVE_INFINITY);
    const flow = this.#flow(waiter.flow);
    if (flow.head === null) flow.virtual = Math.max(flow.virtual, this.#virtual);
    flow.push(waiter);
    this.#count(flow, waiter, 1);
  }

  /** One that waits goes away. */
  remove(waiter: T): void {
    const flow = this.#flow(waiter.flow);
    const aside = this.#aside.findIndex((one) => one.waiter === waiter);
    if (aside < 0) flow.drop(waiter);
    else this.#comeBack(aside);
    this.#count(flow, waiter, -1);
  }

  /** One that had its turn comes back as it was: nothing was done for it. It is the next one. */
  putBack(waiter: T): void {
    const flow = this.#flow(waiter.flow);
    this.#aside.unshift({ waiter, patience: waiter.work });
    flow.aside++;
    this.#count(flow, waiter, 1);
  }

  /** One that had its turn has left, and nothing was done for it: its flow has not had that work. */
  forgive({ flow, work }: T): void {
    this.#flow(flow).virtual -= work;
  }

  /**
   * The next one that `freeBytes` are enough for, which leaves the queue; null where there is none. Who needs more steps aside: as much
   * work as it is itself may pass it, and then nothing does until it has had its turn. Behind it its flow waits with the next such one.
   */
  next(freeBytes: number): T | null {
    for (const { waiter, patience } of this.#aside) {
      if (waiter.bytes <= freeBytes) return this.#taken(waiter);
      if (patience <= 0) return null;
    }
    for (;;) {
      const waiter = this.#inTurn(freeBytes);
      if (waiter === null) return null;
      if (waiter.bytes <= freeBytes) return this.#taken(waiter);
      this.#aside.push({ waiter, patience: waiter.work });
      this.#flow(waiter.flow).aside++;
    }
  }

  /**
   * Who has to go where more than `most` waits since `newcomer` came: the newest ones of the flow that has most, where it keeps
   * no less than the newcomer's flow has; else the newcomer.
   */
  surplus(newcomer: T, of: 'pictures' | 'fileBytes', most: number): T[] {
    let excess = this[of] - most;
    if (excess <= 0) return [];
    const own = this.#flow(newcomer.flow);
    let longest = own;
    for (const flow of this.#flows.values()) if (flow[of] > longest[of]) longest = flow;
    if (longest === own || longest[of] - excess < own[of]) return [newcomer];
    const surplus: T[] = [];
    for (let one = longest.tail; one !== null && excess > 0; one = one.previous) {
      surplus.push(one);
      excess -= of === 'pictures' ? 1 : one.fileBytes;
    }
    return excess > 0 ? [newcomer] : surplus;
  }

  /** So much more (or less) work of a flow will come: others see it as if it waited. */
  announce(name: string, work: number): void {
    this.#flow(name).work += work;
  }

  /** Work that is begun until so much more of a flow is, were it to come now: all of its own, and of every other as much at most. */
  ahead(name: string, work: number): number {
    const before = this.#flows.get(name)?.work ?? 0;
    let ahead = before;
    for (const [other, flow] of this.#flows) if (other !== name) ahead += Math.min(flow.work, before + work);
    return ahead;
  }

  /** Out of its line, and paid for. */
  #inTurn(freeBytes: number): T | null {
    this.#forget(this.#virtual);
    let first: Flow<T> | null = null;
    for (const flow of this.#flows.values()) {
      if (flow.head === null || (flow.aside > 0 && flow.head.bytes > freeBytes)) continue;
      if (first === null || flow.virtual < first.virtual) first = flow;
    }
    if (first === null) return null;
    const waiter = first.head as T;
    first.drop(waiter);
    this.#virtual = first.virtual;
    first.virtual += waiter.work;
    return waiter;
  }

  /** It leaves; those aside whose turn came before its own have been passed. */
  #taken(waiter: T): T {
    const at = this.#aside.findIndex((one) => one.waiter === waiter);
    if (at >= 0) this.#comeBack(at);
    const passed = at < 0 ? this.#aside.length : at;
    for (let i = 0; i < passed; i++) this.#aside[i].patience -= waiter.work;
    this.#count(this.#flow(waiter.flow), waiter, -1);
    return waiter;
  }

  /** It is not aside any more. */
  #comeBack(at: number): void {
    const [{ waiter }] = this.#aside.splice(at, 1);
    this.#flow(waiter.flow).aside--;
  }

  #count(flow: Flow<T>, { work, bytes, fileBytes }: T, sign: 1 | -1): void {
    this.pictures += sign;
    this.bytes += sign * bytes;
    this.fileBytes += sign * fileBytes;
    flow.pictures += sign;
    flow.fileBytes += sign * fileBytes;
    flow.work += sign * work;
  }

  #flow(name: string): Flow<T> {
    let flow = this.#flows.get(name);
    if (flow === undefined) {
      flow = new Flow(this.#virtual);
      this.#flows.set(name, flow);
    }
    return flow;
  }

  /** Who has nothing here and was given no more than `virtual` is as good as new. */
  #forget(virtual: number): void {
    for (const [name, flow] of this.#flows) if (flow.work === 0 && flow.virtual <= virtual) this.#flows.delete(name);
  }
}
