/**
 * The composition root: builds every part once and joins them by plain constructors. Read this second, after
 * pipeline/infer.ts. start() resolves as soon as the ports answer; models go on loading behind them.
 */

import { availableParallelism } from 'node:os';
import { PlanScheduler } from './batching/plan-scheduler.ts';
import type { Scheduler } from './batching/travel.ts';
import type { Config } from './config/schema.ts';
import type { Supervision } from './config/supervision.ts';
import { packageVersion } from './config/version.ts';
import { type Clock, systemClock } from './core/clock.ts';
import type { GatewayError } from './core/error.ts';
import type { Lane, RunError } from './core/instance.ts';
import type { ModelVersion, Placement, ServedFacts, Snapshot } from './core/model.ts';
import type { Identify } from './core/principal.ts';
import type { Curve, SchedulerView } from './core/scheduling.ts';
import { Timeline } from './core/timeline.ts';
import { GatherLedger } from './http/body.ts';
import { debugDocument } from './http/debug.ts';
import type { Exchange } from './http/exchange.ts';
import { HostGuard } from './http/guard.ts';
import { type ConnectionBounds, connectionBounds, openFileLimit } from './http/open-files.ts';
import { HttpServer, type ServerParts } from './http/server.ts';
import type { Logger } from './logging/logger.ts';
import type { Readings } from './metrics/families.ts';
import { Metrics } from './metrics/metrics.ts';
import { Arena } from './native/arena.ts';
import { CrashMarks } from './native/crash-marks.ts';
import { loadBinding } from './native/load.ts';
import { InferRoad } from './pipeline/infer.ts';
import { ModelLoader } from './pipeline/loader.ts';
import { Places } from './pipeline/places.ts';
import { ProfileStore } from './pipeline/profile-store.ts';
import type { InferRequest } from './pipeline/request.ts';
import type { Target } from './pipeline/target.ts';
import { Registry } from './registry/registry.ts';
import { InlineLane } from './workers/inline.ts';
import { WorkerPool } from './workers/pool.ts';
import { ONNX_RUNTIME_VERSION } from './workers/session.ts';

/** Part of the time to drain after which bodies that are still coming are refused: the rest is for what runs. */
const UPLOADS_SHARE = 0.75;

/** What the process gives besides the configuration, and seams for tests and benches. */
export interface GatewayOptions {
  /** What the supervisor knows, where there is one. */
  readonly supervision?: Supervision | null;
  /** The time; the process's own where none is given. */
  readonly clock?: Clock;
  /** What is known of how long a model's batches take. */
  readonly curve?: (model: string) => Curve;
  /** Forces where models run. */
  readonly placement?: Placement;
  /** Takes the place of the inline lane: the copying instance of the benches. */
  readonly inlineLane?: (arena: Arena) => Lane;
  /** Tells who is calling; without it nobody has a name. */
  readonly principal?: Identify;
  /**
   * Takes the scheduler's place: what the benches compare with.
   * @param lanes how many there are. @param wake has the next batch be asked for at the end of this turn, where nothing happened
   */
  readonly scheduler?: (lanes: number, wake: () => void) => Scheduler<InferRequest>;
  /** Of the start so far: what went before the gateway. */
  readonly timeline?: Timeline;
  /** Module of the worker threads. */
  readonly workerEntry?: URL;
}

/** Where a gateway that has started is to be found. */
export interface Listening {
  readonly inferenceUrl: string;
  readonly adminUrl: string;
  readonly port: number;
  readonly adminPort: number;
}

/** A port that somebody else holds. */
export class PortTakenError extends Error {
  readonly host: string;
  readonly port: number;

  constructor(host: string, port: number) {
    super(`port ${port} on ${host} is taken`);
    this.name = 'PortTakenError';
    this.host = host;
    this.port = port;
  }
}

/** A process that has not ended so long after its drain time hangs, milliseconds. */
const HUNG_AFTER_MS = 1_000;

/** One gateway: its listeners, its lanes, its models. */
export class Gateway {
  readonly #config: Config;
  readonly #log: Logger;
  readonly #clock: Clock;
  readonly #arena: Arena;
  readonly #gathered: GatherLedger;
  readonly #metrics: Metrics;
  readonly #version = packageVersion();
  readonly #supervision: Supervision | null;
  readonly #timeline: Timeline;
  readonly #pool: WorkerPool;
  readonly #road: InferRoad;
  readonly #places: Places;
  readonly #registry: Registry;
  readonly #target: (id: number) => Target | null;
  readonly #keepLearned: () => Promise<void>;
  readonly #inference: HttpServer;
  readonly #admin: HttpServer;
  #draining = false;
  #settled: Promise<void> = Promise.resolve();

  /** @throws {NativeAddonError} */
  constructor(config: Config, log: Logger, options: GatewayOptions = {}) {
    this.#config = config;
    this.#gathered = new GatherLedger(config.limits.gatherBytes);
    this.#log = log;
    this.#clock = options.clock ?? systemClock;
    this.#supervision = options.supervision ?? null;
    this.#timeline = options.timeline ?? new Timeline(systemClock);
    const binding = loadBinding();
    this.#timeline.mark('addon');
    const arena = new Arena(binding, config.limits.arenaBytes);
    this.#arena = arena;
    const marks = new CrashMarks(binding, options.supervision?.marksFile ?? -1);
    this.#metrics = new Metrics(() => this.#readings());
    this.#pool = new WorkerPool({
      slots: config.workers,
      arena: arena.buffer,
      marks,
      onLaneChange: (lane, up, reason) => this.#laneChanged(lane, up, reason),
      ...(options.workerEntry === undefined ? {} : { entry: options.workerEntry }),
    });
    // A front thread inside a run that never ends notices nothing: not a signal, and not that the supervisor has died.
    if (marks.kept) binding.dieAfterParent(config.drainTimeoutS * 1000 + HUNG_AFTER_MS);
    // The front thread's slot is the one behind the workers'.
    if (marks.kept) binding.claimCrashMark(config.workers);
    const inline = options.inlineLane?.(arena) ?? new InlineLane(arena.buffer, marks.slots, config.workers);
    const lanes = [...this.#pool.lanes, inline];
    const onFailedRun = (target: Target, rows: number, error: RunError) => this.#runFailed(target, rows, error);
    const scheduler =
      options.scheduler?.(lanes.length, () => this.#road.driver.wake()) ??
      new PlanScheduler<InferRequest>(lanes.length);
    this.#road = new InferRoad({ binding, arena, clock: this.#clock, lanes, scheduler, onFailedRun });
    this.#places = this.#makePlaces(lanes);
    const loader = new ModelLoader({
      binding,
      arena,
      driver: this.#road.driver,
      places: this.#places,
      cores: availableParallelism(),
      lanes,
      metrics: this.#metrics,
      timeline: this.#timeline,
      clock: this.#clock,
      profiles: new ProfileStore(config.stateDir, ONNX_RUNTIME_VERSION, (err) =>
        log.warn({ err }, 'a profile could not be kept: stateDir cannot be written'),
      ),
      jsonDepth: config.limits.jsonDepth,
      queueRows: config.limits.queueRows,
      queueBytes: config.limits.queueBytes,
      placement: options.placement ?? null,
      curve: options.curve ?? null,
      marks,
      refused: options.supervision?.refused ?? [],
      onLost: (target, lost) => this.#registry.setLost(target, lost),
    });
    this.#registry = new Registry(config.models, loader, {
      onSkipped: (name) => log.warn({ model: name }, 'a folder whose name cannot be served was skipped'),
      onSettled: (version, cause) => this.#versionSettled(version, cause),
      onLost: ({ model, version, state, reason }) => log.warn({ model, version, state, reason }, 'model lost or back'),
    });
    this.#target = (id) => loader.target(id);
    this.#keepLearned = () => loader.keepLearned();
    const parts = this.#serverParts(options.principal ?? null);
    this.#inference = new HttpServer(parts, 'inference');
    this.#admin = new HttpServer(parts, 'admin');
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
    const { host, port, adminHost, adminPort } = this.#config;
    const inference = await this.#inference.listen(host, port);
    if (inference === null) throw new PortTakenError(host, port);
    const admin = await this.#admin.listen(adminHost, adminPort);
    if (admin === null) {
      this.#inference.close();
      throw new PortTakenError(adminHost, adminPort);
    }
    this.#timeline.mark('ports');
    this.#places.start();
    this.#settled = this.#registry.start();
    this.#settled.then(
      () => this.#started(),
      (error: unknown) => this.#log.error({ err: error }, 'the models folder cannot be read'),
    );
    return { inferenceUrl: url(host, inference), adminUrl: url(adminHost, admin), port: inference, adminPort: admin };
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
    this.#inference.stopListening();
    const uploads = setTimeout(() => this.#inference.refuseUploads(), deadlineMs * UPLOADS_SHARE);
    const moved = this.#places.stop();
    const finished = (async () => {
      await this.#settled.catch(() => undefined);
      await this.#road.drain();
      await this.#keepLearned();
      await this.#inference.settled();
      await moved;
      await this.#pool.close();
      return true;
    })();
    const inTime = await Promise.race([finished, delay(deadlineMs)]);
    clearTimeout(uploads);
    // One turn of the loop lets the last answers reach the kernel.
    await new Promise((resolve) => setImmediate(resolve));
    this.#inference.close();
    this.#admin.close();
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
      onMoved: (target, reason) => this.#placeChanged(target, reason),
      onFailed: ({ model, version }, lane, error) =>
        this.#log.warn({ model, version, lane, err: error }, 'a model could not be loaded on another lane'),
    });
  }

  #serverParts(identify: Identify | null): ServerParts {
    const config = this.#config;
    return {
      clock: this.#clock,
      road: this.#road,
      guard: new HostGuard(config.allowedHosts, config.allowedOrigins),
      version: this.#version,
      basePath: config.basePath,
      strictReadiness: config.strictReadiness,
      ...config.limits,
      connections: this.#connectionBounds(),
      gathered: this.#gathered,
      snapshot: () => this.#registry.snapshot,
      target: this.#target,
      view: (version) => this.#viewOf(version),
      draining: () => this.#draining,
      identify,
      metrics: async () => ({ type: this.#metrics.contentType, text: await this.#metrics.text() }),
      debug: () => this.#picture(),
      onAnswer: (exchange, status, error) => this.#answered(exchange, status, error),
    };
  }

  #connectionBounds(): ConnectionBounds {
    const { limits, workers } = this.#config;
    const files = openFileLimit();
    const bounds = connectionBounds(limits.connections, files, workers);
    if (bounds.inference < limits.connections) {
      const line = { configured: limits.connections, taken: bounds.inference, openFiles: files };
      this.#log.warn(line, 'fewer connections than configured: the process may not open more files (ulimit -n)');
    }
    return bounds;
  }

  #started(): void {
    // Stopped in the middle of it: nothing has started.
    if (this.#draining) return;
    this.#timeline.mark('ready');
    this.#timeline.close();
    this.#log.info({ startMs: this.#timeline.times }, 'started');
  }

  #readings(): Readings {
    const lanes = this.#road.driver.lanes();
    const versions = [...this.#registry.snapshot.models.values()].flatMap((model) => model.versions);
    return {
      versions: { version: this.#version, node: process.versions.node, onnxruntime: ONNX_RUNTIME_VERSION },
      arenaUsedBytes: this.#arena.allocatedBytes,
      gatheredBytes: this.#gathered.taken,
      arenaCapacityBytes: this.#arena.bytes.length,
      connections: { inference: this.#inference.connections, admin: this.#admin.connections },
      surplusConnections: this.#inference.surplusConnections + this.#admin.surplusConnections,
      requestsInFlight: this.#road.inFlight,
      lanes: lanes.map(({ up, batch }, i) => ({ placement: this.#placementOf(i), up, busy: batch !== null })),
      models: versions.map(({ model, version, state }) => ({ model, version, ready: state === 'READY' })),
      schedulers: versions.flatMap((version) => {
        const view = this.#viewOf(version);
        return view === null ? [] : [{ model: version.model, version: version.version, view }];
      }),
      logLinesDropped: this.#log.dropped,
      restarts: this.#supervision?.restarts ?? 0,
      lastRestartCause: this.#supervision?.lastCause ?? '',
    };
  }

  #picture(): unknown {
    return debugDocument({
      nowUs: this.#clock.nowUs(),
      draining: this.#draining,
      config: this.#config,
      readings: this.#readings(),
      snapshot: this.#registry.snapshot,
      lanes: this.#road.driver.lanes(),
      target: this.#target,
      view: (version) => this.#viewOf(version),
      startMs: this.#timeline.times,
    });
  }

  /** What is known of the scheduler of a version; null where it is not in service. */
  #viewOf({ state, target: id }: ModelVersion): SchedulerView | null {
    const target = state === 'READY' ? this.#target(id) : null;
    return target === null ? null : this.#road.driver.view(target.queue);
  }

  /** The inline lane is the last one. */
  #placementOf(lane: number): Placement {
    return lane === this.#pool.lanes.length ? 'inline' : 'worker';
  }

  #answered(exchange: Exchange, status: number, error: GatewayError | null): void {
    this.#metrics.answered(exchange.bytesIn, exchange.bytesOut, error);
    const { infer } = exchange;
    // Whoever was answered has its time already; a reading of the clock is for the others.
    const known = infer !== null && error === null;
    this.#log.request(exchange, status, error, known ? infer.totalUs : this.#clock.nowUs() - exchange.startedUs);
  }

  #laneChanged(lane: number, up: boolean, reason: string): void {
    if (lane < 0) {
      this.#metrics.workerFault();
      this.#log.error({ reason }, 'a worker thread failed');
      return;
    }
    this.#road.driver.laneChanged(lane, up);
    if (!up) this.#metrics.laneLost();
    this.#log.warn({ lane, up, reason }, up ? 'a lane is back' : 'a lane lost its thread');
  }

  #placeChanged({ model, version, session, facts }: Target, reason: string): void {
    this.#registry.setFacts(session, facts);
    const { placement, instances, batchRows } = facts;
    this.#log.info({ model, version, placement, instances, batchRows, reason }, 'model runs elsewhere');
  }

  #runFailed(target: Target, rows: number, error: RunError): void {
    const { model, version } = target;
    this.#log.warn({ model, version, rows, failure: error.failure, reason: error.message }, 'a batch failed');
  }

  #versionSettled(version: ModelVersion, cause: unknown): void {
    const { model, version: name, state, reason, facts } = version;
    if (state === 'READY') {
      const { provider, passedOver, placement, measuredUs, measuredRows, maxBatchSize } = facts as ServedFacts;
      const view = this.#viewOf(version);
      const target = view === null ? {} : { targetMs: view.targetUs / 1000, targetSource: view.targetSource };
      const line = { model, version: name, provider, placement, measuredUs, measuredRows, maxBatchSize, ...target };
      if (passedOver === '') this.#log.info(line, 'model ready');
      else this.#log.warn({ ...line, reason: passedOver }, 'model ready, not on the provider it prefers');
    } else this.#log.error({ model, version: name, reason, err: cause }, 'model unavailable');
  }
}

function url(host: string, port: number): string {
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

function delay(ms: number): Promise<false> {
  return new Promise((resolve) => setTimeout(() => resolve(false), ms).unref());
}
