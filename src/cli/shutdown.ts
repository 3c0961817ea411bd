/** What signals mean: the first begins the drain, a later one ends it. Decides only; it ends nothing itself. */

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

/** A Ctrl-C arrives from the terminal, from npm and from the launcher: within this time they are one. */
const REPEAT_MS = 1_000;

/** Tells a first signal from its echoes and from a second one. */
export class SignalWatch {
  readonly #nowMs: () => number;
  #firstMs = Number.NaN;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** What the signal that came now asks for. */
  receive(): 'drain' | 'echo' | 'end' {
    const now = this.#nowMs();
    if (Number.isNaN(this.#firstMs)) {
      this.#firstMs = now;
      return 'drain';
    }
    return now - this.#firstMs < REPEAT_MS ? 'echo' : 'end';
  }
}

/** Resolves at the first signal; `onSecond` is called for one that comes later and is not its echo. */
export function firstSignal(onSecond: (signal: string) => void): Promise<string> {
  const watch = new SignalWatch(() => performance.now());
  return new Promise((resolve) => {
    for (const signal of SIGNALS) {
      process.on(signal, () => {
        const meaning = watch.receive();
        if (meaning === 'drain') resolve(signal);
        if (meaning === 'end') onSecond(signal);
      });
    }
  });
}
