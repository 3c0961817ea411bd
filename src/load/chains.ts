/** Several queues over the same small numbers, each number in exactly one of them: every move takes constant time. */

/** Says that a queue is empty. */
export const NONE = -1;

/** Doubly linked lists over the numbers 0 to `items - 1`, which all stand in list 0 first, rising. */
export class Chains {
  readonly #items: number;
  /** Behind the items stands one node per list, at once before its first and behind its last. */
  readonly #next: Int32Array;
  readonly #previous: Int32Array;

  constructor(items: number, lists: number) {
    this.#items = items;
    this.#next = Int32Array.from({ length: items + lists }, (_, i) => i);
    this.#previous = Int32Array.from(this.#next);
    for (let item = 0; item < items; item++) this.#insert(item, items);
  }

  /** The first of a list, or `NONE`. */
  first(list: number): number {
    const item = this.#next[this.#items + list] as number;
    return item < this.#items ? item : NONE;
  }

  /** Takes `item` from where it stands to the end of `list`. */
  append(list: number, item: number): void {
    this.#remove(item);
    this.#insert(item, this.#items + list);
  }

  /** Takes `item` from where it stands to the front of `list`. */
  prepend(list: number, item: number): void {
    this.#remove(item);
    this.#insert(item, this.#next[this.#items + list] as number);
  }

  #remove(item: number): void {
    const next = this.#next[item] as number;
    const previous = this.#previous[item] as number;
    this.#next[previous] = next;
    this.#previous[next] = previous;
  }

  #insert(item: number, before: number): void {
    const previous = this.#previous[before] as number;
    this.#next[previous] = item;
    this.#previous[item] = previous;
    this.#next[item] = before;
    this.#previous[before] = item;
  }
}
