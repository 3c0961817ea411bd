/** How quickly this machine decodes, learned from what pictures took, and when what comes now will be begun. */

/** Pictures that are remembered. The middle one is believed: a thread that was held up moves nothing, nor does a picture like no other. */
const REMEMBERED = 15;

/** What those took last against what was expected. */
class Ratios {
  readonly #last: number[];
  #next = 0;
  /** The middle one; of an even number the lesser. */
  middle: number;

  /** @param before what is believed until there are more of its own than two */
  constructor(before: number) {
    this.#last = [before, before];
    this.middle = before;
  }

  add(ratio: number): void {
    if (this.#last.length < REMEMBERED) this.#last.push(ratio);
    else this.#last[this.#next++ % REMEMBERED] = ratio;
    const sorted = this.#last.toSorted((a, b) => a - b);
    this.middle = sorted[(sorted.length - 1) >> 1];
  }
}

/** One factor for all that is decoded, and one for each kind: pictures of one model are much alike. */
export class DecodeSpeed {
  readonly #all = new Ratios(1);
  readonly #kinds = new WeakMap<object, Ratios>();

  /** A picture of that kind took so long on its thread. What no clock can have said is not heard. */
  learn(kind: object, work: number, tookUs: number): void {
    const ratio = tookUs / work;
    if (!(ratio > 0 && ratio < Number.POSITIVE_INFINITY)) return;
    let own = this.#kinds.get(kind);
    if (own === undefined) {
      own = new Ratios(this.#all.middle);
      this.#kinds.set(kind, own);
    }
    own.add(ratio);
    this.#all.add(ratio);
  }

  /** Time for so much work, microseconds. @param kind none = all sorts of it */
  us(work: number, kind: object | null = null): number {
    return Math.round(work * ((kind === null ? null : this.#kinds.get(kind)) ?? this.#all).middle);
  }
}

/**
 * When a thread is free for who comes behind so much work: as water fills a vessel whose ground is when each thread is free.
 * @param freeUs of each thread, from now
 */
export function beginsUs(freeUs: readonly number[], aheadUs: number): number {
  const ground = freeUs.toSorted((a, b) => a - b);
  let filled = 0;
  let left = aheadUs;
  while (filled + 1 < ground.length) {
    const room = (ground[filled + 1] - ground[filled]) * (filled + 1);
    if (left <= room) break;
    left -= room;
    filled++;
  }
  return ground[filled] + left / (filled + 1);
}
