/** What a rival is: how it is installed, how it is started, and how it is asked. */

import type { Answer } from '../http/loads.ts';
import type { Load } from '../runner/wrk.ts';

/** How numbers go over the wire. */
export type Form = 'binary' | 'json';

/** What every server serves alike. */
export interface Subject {
  /** Name of the model. */
  readonly model: string;
  /** Folder of models, as ours takes it. */
  readonly models: string;
  /** The model's file. */
  readonly path: string;
  readonly form: Form;
  readonly input: string;
  /** Dims of one row. */
  readonly shape: readonly number[];
  readonly output: string;
  /** Numbers that one row brings. */
  readonly outputs: number;
  /** Copies of the model. */
  readonly instances: number;
  /** Rows that may run together. */
  readonly batch: number;
  /** Cores of the server, as taskset takes them. */
  readonly cores: string;
}

/** A process to be started. */
export interface Launch {
  readonly program: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Where it runs; its own folder unless said. */
  readonly cwd?: string;
}

/** Where a process that is to be started listens, and what it may write to. */
export interface Place {
  /** Free when it was looked up. */
  readonly port: number;
  /** Empty, and removed when the server is stopped. */
  readonly folder: string;
}

/** A server that can be compared with ours (or ours). */
export interface Peer {
  readonly name: string;
  readonly forms: readonly Form[];
  /** Fetches what is not there yet. @throws with what its installer complained of */
  install(): Promise<void>;
  /** How it serves the subject. */
  launch(subject: Subject, place: Place): Promise<Launch>;
  /** One row as it wants it. */
  request(subject: Subject, row: Float32Array<ArrayBuffer>): Load;
  /** The numbers of an answer. */
  read(subject: Subject, answer: Answer): ArrayLike<number>;
}
