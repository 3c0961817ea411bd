/** All that crosses a thread: plain data. Errors go as values, because structured clone drops classes. */

import type { RunFailure, RunRequest, RunResult, SessionInfo, SessionSpec } from '../core/instance.ts';

/** What the front asks of a worker thread. */
export type Task =
  | { readonly kind: 'load'; readonly spec: SessionSpec; readonly lane: number }
  | { readonly kind: 'unload'; readonly session: number }
  | { readonly kind: 'run'; readonly request: RunRequest };

/** A fault as a value. */
export interface Fault {
  readonly failure: RunFailure;
  readonly message: string;
}

/** What a worker thread answers. */
export type Reply =
  | { readonly fault: Fault }
  | { readonly fault: null; readonly info: SessionInfo | null; readonly result: RunResult | null };

/** What a worker thread is born with. */
export interface ThreadData {
  readonly arena: SharedArrayBuffer;
  /** Whether this thread is to be known by its lane when it faults. */
  readonly marked: boolean;
}
