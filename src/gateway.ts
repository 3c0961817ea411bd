/**
 * The composition root: builds every part once and joins them by plain constructors. Read this second, after
 * pipeline/infer.ts. start() resolves as soon as the ports answer; models go on loading behind them.
 */

import { availableParallelism } from 'node:os';
import { PlanScheduler } from './batching/plan-scheduler.ts';
import type { Config } from './config/schema.ts';
import { packageVersion } from './config/version.ts';
import { type Clock, systemClock } from './core/clock.ts';
import type { Lane } from './core/instance.ts';
import type { Snapshot } from './core/model.ts';
import type { Identify } from './core/principal.ts';
import { Timeline } from './core/timeline.ts';
import { Events } from './gateway/events.ts';
import { openLanes } from './gateway/lanes.ts';
import type { GatewayOptions } from './gateway/options.ts';
import { Picture } from './gateway/picture.ts';
import { GatherLedger } from './http/body.ts';
import { HostGuard } from './http/guard.ts';
import { Listeners, type Listening } from './http/listeners.ts';
import { Loans } from './http/loans.ts';
import { ownConnectionBounds } from './http/open-files.ts';
import type { ServerParts } from './http/server.ts';
import type { Logger } from './logging/logger.ts';
import { Metrics } from './metrics/metrics.ts';
import { Arena } from './native/arena.ts';
import { loadBinding } from './native/load.ts';
import { InferRoad } from './pipeline/infer.ts';
import { type LoaderParts, ModelLoader } from './pipeline/loader.ts';
import { Places } from './pipeline/places.ts';
import { ProfileStore } from './pipeline/profile-store.ts';
import type { InferRequest } from './pipeline/request.ts';
import { DecodePool } from './preprocess/decode-pool.ts';
import { decodeThreads } from './preprocess/decode-threads.ts';
import { Registry } from './registry/registry.ts';
import type { WorkerPool } from './workers/pool.ts';
import { ONNX_RUNTIME_VERSION } from './workers/session.ts';

/** Part of the time to drain after which bodies that are still coming are refused: the rest is for what runs. */
const UPLOADS_SHARE = 0.75;

/** Pictures of one request that are under way, for each decode thread: one is decoded and one waits for the thread. */
const PICTURES_A_THREAD = 2;

/** One gateway: its listeners, its lanes, its models. */
export class Gateway {
  readonly #config: Config;
  readonly #clock: Clock;
  readonly #timeline: Timeline;
  readonly #metrics: Metrics;
  readonly #events: Events;
  readonly #picture: Picture;
  readonly #pool: WorkerPool;
  readonly #decoders: DecodePool;
  readonly #road: InferRoad;
  readonly #places: Places;
  readonly #loader: ModelLoader;
  readonly #registry: Registry;
  readonly #listeners: Listeners;
  #draining = false;
  #settled: Promise<void> = Promise.resolve();

  /** @throws {NativeAddonError} */
  constructor(config: Config, log: Logger, options: GatewayOptions = {}) {
    this.#config = config;
    this.#clock = options.clock ?? systemClock;
    this.#timeline = options.timeline ?? new Timeline(systemClock);
    const supervision = options.supervision ?? null;
    const binding = loadBinding();
    this.#timeline.mark('addon');
    const arena = new Arena(binding, config.limits.arenaBytes);
    this.#metrics = new Metrics(() => this.#picture.readings());
    this.#events = new Events(log, this.#metrics, this.#clock);
    const { pool, lanes, marks } = openLanes(binding, arena, config, options, (lane, up, reason) =>
      this.#laneChanged(lane, up, reason),
    );
    this.#pool = pool;
    const threads = decodeThreads(availableParallelism(), process.env);
    const { imageBytes, imageQueueBytes } = config.limits;
    this.#decoders = new DecodePool({
      arena: arena.buffer,
      clock: this.#clock,
      threads,
      imageBytes,
      imageQueueBytes,
      onFault: (error) => this.#events.decoderFailed(error),
      ...(options.decoderEntry === undefined ? {} : { entry: options.decoderEntry }),
    });
    const scheduler =
      options.scheduler?.(lanes.length, () => this.#road.driver.wake()) ??
      new PlanScheduler<InferRequest>(lanes.length);
    this.#road = new InferRoad({
      binding,
      arena,
      clock: this.#clock,
      lanes,
      cores: availableParallelism(),
      scheduler,
      pictures: { limits: config.limits, pool: this.#decoders, atOnce: PICTURES_A_THREAD * threads },
      onFailedRun: (target, rows, error) => this.#events.runFailed(target, rows, error),
    });
    this.#places = this.#makePlaces(lanes);
    this.#loader = this.#makeLoader({ binding, arena, lanes, marks, refused: supervision?.refused ?? [] }, options);
    this.#registry = new Registry(config.models, this.#loader, {
      onSkipped: (name) => this.#events.modelSkipped(name),
      onSettled: (version, cause) => this.#events.versionSettled(version, this.#picture.view(version), cause),
      onLost: (version) => this.#events.versionLost(version),
    });
    const version = packageVersion();
    const gathered = new GatherLedger(config.limits.gatherBytes);
    this.#listeners = new Listeners(this.#serverParts(version, gathered, options.principal ?? null));
    this.#picture = new Picture({
      config,
      version,
      clock: this.#clock,
      log,
      arena,
      gathered,
      road: this.#road,
      decoders: this.#decoders,
      registry: this.#registry,
      listeners: this.#listeners,
      timeline: this.#timeline,
      supervision,
      target: (id) => this.#loader.target(id),
      draining: () => this.#draining,
    });
  }

  /** The current picture of models and versions. */
  get snapshot(): Snapshot {
    return this.#registry.snapshot;
  }

  /**
   * Takes the ports and begins to load the models.
   * @throws {PortTakenError}
   */
  async start(): Promise<Listening> {
    const listening = await this.#listeners.listen(this.#config);
    this.#timeline.mark('ports');
    this.#places.start();
    this.#settled = this.#registry.start();
    this.#settled.then(
      () => this.#started(),
      (error: unknown) => this.#events.foundNoFolder(error),
    );
    return listening;
  }

  /** When every startup model is READY or FAILED. @throws where the models folder cannot be read */
  settled(): Promise<void> {
    return this.#settled;
  }

  /**
   * Not ready at once; finishes what was accepted; closes.
   * @param deadlineMs most time for that. @returns whether everything was finished in time
   */
  async stop(deadlineMs: number): Promise<boolean> {
    this.#draining = true;
    this.#registry.stop();
    this.#pool.stopWaiting();
    const { inference } = this.#listeners;
    inference.stopListening();
    const uploads = setTimeout(() => inference.refuseUploads(), deadlineMs * UPLOADS_SHARE);
    const moved = this.#places.stop();
    const finished = (async () => {
      await this.#settled.catch(() => undefined);
      await this.#road.drain();
      await this.#loader.keepLearned();
      await moved;
      await this.#decoders.close();
      await this.#pool.close();
      return true;
    })();
    const inTime = await Promise.race([finished, delay(deadlineMs)]);
    clearTimeout(uploads);
    // One turn of the loop lets the last answers reach the kernel.
    await new Promise((resolve) => setImmediate(resolve));
    this.#listeners.close();
    this.#road.driver.dispose();
    this.#metrics.dispose();
    return inTime;
  }

  #makePlaces(lanes: readonly Lane[]): Places {
    const { driver, usage } = this.#road;
    return new Places({
      clock: this.#clock,
      driver,
      lanes,
      usage,
      onMoved: (target, reason) => {
        this.#registry.setFacts(target.session, target.facts);
        this.#events.versionMoved(target, reason);
      },
      onFailed: (target, lane, error) => this.#events.versionNotMoved(target, lane, error),
    });
  }

  #makeLoader(
    parts: Pick<LoaderParts, 'binding' | 'arena' | 'lanes' | 'marks' | 'refused'>,
    options: GatewayOptions,
  ): ModelLoader {
    const { limits, stateDir } = this.#config;
    return new ModelLoader({
      ...parts,
      driver: this.#road.driver,
      places: this.#places,
      cores: availableParallelism(),
      metrics: this.#metrics,
      timeline: this.#timeline,
      clock: this.#clock,
      profiles: new ProfileStore(stateDir, ONNX_RUNTIME_VERSION, (error) => this.#events.profileNotKept(error)),
      ...limits,
      placement: options.placement ?? null,
      curve: options.curve ?? null,
      decoders: this.#decoders,
      onLost: (target, lost) => this.#registry.setLost(target, lost),
    });
  }

  #serverParts(version: string, gathered: GatherLedger, identify: Identify | null): ServerParts {
    const config = this.#config;
    const { limits } = config;
    return {
      clock: this.#clock,
      road: this.#road,
      guard: new HostGuard(config.allowedHosts, config.allowedOrigins),
      version,
      basePath: config.basePath,
      strictReadiness: config.strictReadiness,
      ...limits,
      connections: ownConnectionBounds(limits.connections, config.workers, (taken, files) =>
        this.#events.fewerConnections(limits.connections, taken, files),
      ),
      gathered,
      loans: new Loans(limits.arenaBytes),
      snapshot: () => this.#registry.snapshot,
      target: (id) => this.#loader.target(id),
      view: (found) => this.#picture.view(found),
      draining: () => this.#draining,
      identify,
      metrics: async () => ({ type: this.#metrics.contentType, text: await this.#metrics.text() }),
      debug: () => this.#picture.document(),
      onAnswer: (exchange, status, error) => this.#events.answered(exchange, status, error),
    };
  }

  #started(): void {
    // Stopped in the middle of it: nothing has started.
    if (this.#draining) return;
    this.#timeline.mark('ready');
    this.#timeline.close();
    this.#events.started(this.#timeline.times);
  }

  #laneChanged(lane: number, up: boolean, reason: string): void {
    if (lane < 0) {
      this.#events.workerFailed(reason);
      return;
    }
    this.#road.driver.laneChanged(lane, up);
    this.#events.laneChanged(lane, up, reason);
  }
}

function delay(ms: number): Promise<false> {
  return new Promise((resolve) => setTimeout(() => resolve(false), ms).unref());
}
