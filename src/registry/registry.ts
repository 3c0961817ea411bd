/**
 * What exists and in which state: the control plane. Publishes a new frozen snapshot with every change; the data plane reads
 * one reference and never waits for it. How a version is brought into service is its loader's to know.
 */

import { EMPTY_SNAPSHOT, type Model, type ModelVersion, type ServedFacts, type Snapshot } from '../core/model.ts';
import { type FoundVersion, readVersion, scan, UnloadableError } from './repository.ts';

/** Brings versions into service. */
export interface Loader {
  /** @returns the data plane's handle and what is known of the version @throws where it cannot serve */
  load(model: string, version: string, found: FoundVersion): Promise<{ target: number; facts: ServedFacts }>;
}

/** What the registry tells of. */
export interface RegistryEvents {
  onSkipped(name: string): void;
  onSettled(version: ModelVersion, cause: unknown): void;
  /** A version lost its last worker, or has one again. */
  onLost(version: ModelVersion): void;
}

/** Why a LOST version does not answer. */
const LOST = 'its workers keep dying and are being replaced';

/** The models of one folder. */
export class Registry {
  readonly #root: string;
  readonly #loader: Loader;
  readonly #events: RegistryEvents;
  #snapshot: Snapshot = EMPTY_SNAPSHOT;
  #stopped = false;

  constructor(root: string, loader: Loader, events: RegistryEvents) {
    this.#root = root;
    this.#loader = loader;
    this.#events = events;
  }

  /** The current picture; frozen. */
  get snapshot(): Snapshot {
    return this.#snapshot;
  }

  /**
   * Finds every model and loads every version, one after the other. Never fails for one that cannot be loaded.
   * @throws where the folder itself cannot be read
   */
  async start(): Promise<void> {
    const found = await scan(this.#root, (name) => this.#events.onSkipped(name));
    const models = new Map<string, Model>();
    for (const { name, versions } of found) {
      models.set(name, { name, versions: versions.map((version) => born(name, version)) });
    }
    this.#publish(models, found.length === 0);
    const order = found.flatMap(({ name, versions }) => versions.map((version) => [name, version] as const));
    for (const [index, [name, version]] of order.entries()) {
      if (this.#stopped) return;
      const settled = await this.#load(name, version);
      this.#replace(settled, index === order.length - 1);
    }
  }

  /** Loads no more: what is being loaded is finished, what has not begun stays LOADING. */
  stop(): void {
    this.#stopped = true;
  }

  /** A READY version has no worker any more, or has one again. @param target the loader's handle */
  setLost(target: number, lost: boolean): void {
    const found = this.#served(target);
    if (found === undefined || found.state !== (lost ? 'READY' : 'LOST')) return;
    const changed: ModelVersion = { ...found, state: lost ? 'LOST' : 'READY', reason: lost ? LOST : '' };
    this.#replace(changed, this.#snapshot.settled);
    this.#events.onLost(changed);
  }

  /** A version that serves runs elsewhere, or on more or fewer lanes. @param target the loader's handle */
  setFacts(target: number, facts: ServedFacts): void {
    const found = this.#served(target);
    if (found !== undefined) this.#replace({ ...found, facts }, this.#snapshot.settled);
  }

  #served(target: number): ModelVersion | undefined {
    return [...this.#snapshot.models.values()].flatMap((model) => model.versions).find((v) => v.target === target);
  }

  async #load(model: string, version: string): Promise<ModelVersion> {
    try {
      const found = await readVersion(this.#root, model, version);
      const { target, facts } = await this.#loader.load(model, version, found);
      const ready: ModelVersion = { model, version, state: 'READY', reason: '', facts, target };
      this.#events.onSettled(ready, null);
      return ready;
    } catch (error) {
      const reason = error instanceof UnloadableError ? error.message : 'the model file cannot be loaded';
      const failed: ModelVersion = { model, version, state: 'FAILED', reason, facts: null, target: -1 };
      this.#events.onSettled(failed, error);
      return failed;
    }
  }

  #replace(changed: ModelVersion, settled: boolean): void {
    const models = new Map(this.#snapshot.models);
    const model = models.get(changed.model) as Model;
    const versions = model.versions.map((v) => Object.freeze(v.version === changed.version ? changed : v));
    models.set(changed.model, Object.freeze({ name: model.name, versions: Object.freeze(versions) }));
    this.#publish(models, settled);
  }

  #publish(models: ReadonlyMap<string, Model>, settled: boolean): void {
    this.#snapshot = Object.freeze({ models, settled });
  }
}

function born(model: string, version: string): ModelVersion {
  return { model, version, state: 'LOADING', reason: '', facts: null, target: -1 };
}
