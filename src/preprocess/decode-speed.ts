/** How quickly pictures are decoded, learned from those that were, and how much is before the next one. */

/** What a picture costs besides its pixels, as pixels: the way to a thread and back. */
const PIXELS_AHEAD = 20_000;

/** Before the first picture: a hundred million pixels a second, as JPEGs on one core. */
const FIRST_US_PER_PIXEL = 0.01;

/** What each new picture leaves of the ones before it: the last twenty or so count. */
const KEPT = 0.95;

/** A ratio of decayed sums, and the pixels that are under way. */
export class DecodeSpeed {
  readonly #threads: number;
  #us = 0;
  #pixels = 0;
  #backlog = 0;

  constructor(threads: number) {
    this.#threads = threads;
  }

  /** A picture has come. */
  enter(pixels: number): void {
    this.#backlog += pixels + PIXELS_AHEAD;
  }

  /** And has gone, decoded or not. */
  leave(pixels: number): void {
    this.#backlog -= pixels + PIXELS_AHEAD;
  }

  /** One took so long on its thread. */
  learn(pixels: number, tookUs: number): void {
    this.#us = KEPT * this.#us + tookUs;
    this.#pixels = KEPT * this.#pixels + pixels + PIXELS_AHEAD;
  }

  /** Time until what is under way now is decoded, microseconds. */
  backlogUs(): number {
    return Math.round((this.#backlog / this.#threads) * this.#usPerPixel());
  }

  /** Time until a picture that comes now is decoded, microseconds. @param idle whether a thread is free for it */
  expectedUs(pixels: number, idle: boolean): number {
    const own = (pixels + PIXELS_AHEAD) * this.#usPerPixel();
    return Math.round(own) + (idle ? 0 : this.backlogUs());
  }

  #usPerPixel(): number {
    return this.#pixels === 0 ? FIRST_US_PER_PIXEL : this.#us / this.#pixels;
  }
}
