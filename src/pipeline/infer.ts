/**
 * The road of a request, in the order and by the numbers of ARCHITECTURE.md:
 *
 *   open     3  door               cheap refusals, before a byte is decoded
 *   take     4  decode             chunk by chunk, straight into the arena; encoded pictures go on to rows of it (read)
 *   depart   5  travel together    the batcher decides with whom
 *   board    6  run                a batch is a view on the arena; only numbers cross the thread
 *   arrived  7  encode, bytes out  row by row back to each caller, once (answering.ts, as every other end of a request)
 *   left                           what the batch held is given back
 *
 * Nothing here calls back up: the wire hands a request in with a Reply, and is told through it.
 */

import { Driver, type Passage } from '../batching/driver.ts';
import type { Batch, Scheduler } from '../batching/travel.ts';
import type { PlanEntry } from '../codec/head.ts';
import type { PictureWishes } from '../codec/picture-plan.ts';
import type { Clock } from '../core/clock.ts';
import { GatewayError } from '../core/error.ts';
import type { Lane, RunError, RunRequest, RunResult } from '../core/instance.ts';
import { Pace } from '../core/pace.ts';
import type { Arena } from '../native/arena.ts';
import type { Binding, Memory } from '../native/binding.ts';
import { refusalError } from './admission.ts';
import { Alarm } from './alarm.ts';
import { Answering } from './answering.ts';
import { Intake } from './intake.ts';
import { type Boarded, Manifest } from './manifest.ts';
import { type PictureParts, Pictures } from './pictures.ts';
import { PoisonTable } from './poison.ts';
import { InferRequest, type Reply } from './request.ts';
import { Rest } from './rest.ts';
import type { Target } from './target.ts';
import { Usage } from './usage.ts';

/** Said to a request that killed two workers, when it comes again. */
const REFUSED = 'this request ended two workers within the last 10 minutes and is not run again';

/** What the road is built from. */
export interface RoadParts {
  readonly binding: Binding;
  readonly arena: Arena;
  readonly clock: Clock;
  readonly lanes: readonly Lane[];
  /** Cores that the process may use. */
  readonly cores: number;
  readonly scheduler: Scheduler<InferRequest>;
  readonly pictures: PictureParts;
  /** Told of every failed run; the text is for the log only. */
  readonly onFailedRun: (target: Target, rows: number, error: RunError) => void;
}

/** Carries requests from their first byte to their answer. */
export class InferRoad implements Passage<InferRequest> {
  readonly driver: Driver<InferRequest>;
  /** How busy each lane is, by its number. */
  readonly usage: readonly Usage[];
  /** How the front thread rests. */
  readonly rest: Rest;
  readonly #clock: Clock;
  readonly #intake: Intake;
  readonly #pictures: Pictures;
  readonly #manifests: Manifest;
  readonly #answering: Answering;
  readonly #poison: PoisonTable;
  readonly #inline: number;
  readonly #boarded = new Map<Batch<InferRequest>, Boarded>();
  #draining = false;

  constructor(parts: RoadParts) {
    const { binding, arena, clock } = parts;
    const pace = new Pace(clock);
    this.#clock = clock;
    this.#intake = new Intake(binding, arena);
    this.#pictures = new Pictures(binding, arena, clock, pace, this.#intake, parts.pictures);
    this.#manifests = new Manifest(binding, arena);
    this.#answering = new Answering(binding, clock, pace, this.#intake, this.#manifests);
    this.#poison = new PoisonTable(arena.bytes);
    this.usage = parts.lanes.map(() => new Usage());
    this.#inline = parts.lanes.findIndex(({ id }) => id < 0);
    this.rest = new Rest(binding, clock, parts.cores);
    this.driver = new Driver(clock, parts.lanes, parts.scheduler, this, (batch, error) => {
      parts.onFailedRun((batch.requests[0] as InferRequest).target, batch.rows, error);
    });
  }

  /**
   * Step 3: a request for `target` is announced.
   * @param arrivalUs when its first byte was read: what deadlines count from.
   * @param timeoutUs the time its headers give it; 0 where they give none.
   * @param tenant of the caller; empty where it has no name.
   * @param tensorBytes of tensors that will follow its head; 0 where that is not known.
   * @param picture what is said of the one picture that its body is; null where it is none.
   * @throws {GatewayError} SHUTTING_DOWN, OVERLOADED, INSTANCE_LOST; DEADLINE_EXCEEDED where no server could make it
   */
  open(
    target: Target,
    reply: Reply,
    arrivalUs: number,
    timeoutUs: number,
    tenant: string,
    tensorBytes: number,
    picture: PictureWishes | null,
  ): InferRequest {
    if (this.#draining) throw new GatewayError('SHUTTING_DOWN', 'the server is shutting down');
    const deadlineUs = arrivalUs + earliest(timeoutUs, target.queue.spec.sloUs);
    const refusal = this.driver.foresee(target.queue, tenant, target.leastRows(tensorBytes), 0, deadlineUs, arrivalUs);
    if (refusal !== null) throw counted(target, refusalError(target, refusal));
    const late = picture === null ? null : this.#pictures.foresee(target, tenant, deadlineUs);
    if (late !== null) throw counted(target, late);
    this.#answering.owe();
    const request = new InferRequest(target, reply, arrivalUs);
    request.tenant = tenant;
    request.deadlineUs = deadlineUs;
    request.picture = picture;
    return request;
  }

  /** Step 4, for a body in one piece. @returns null where it has been read, else a promise of that */
  take(request: InferRequest, body: Memory, headBytes: number): Promise<void> | null {
    try {
      const pending = this.#intake.whole(request, body, headBytes);
      if (pending !== null) {
        return this.#elsewhere(
          request,
          pending.then(() => this.#taken(request)),
        );
      }
      this.#taken(request);
    } catch (error) {
      this.refuse(request, error);
    }
    return null;
  }

  /** Step 4, for a body in one piece that is still being unpacked. */
  takeUnpacked(request: InferRequest, unpacking: Promise<Memory>, headBytes: number): Promise<void> {
    const taking = unpacking.then(async (body) => {
      if (request.state === 'ENDED') return;
      await this.#intake.whole(request, body, headBytes);
      this.#taken(request);
    });
    return this.#elsewhere(request, taking);
  }

  /** Step 4, for a large binary body: its head is in, the tail follows in pieces. False where it was refused. */
  takeHead(request: InferRequest, memory: Memory, headBytes: number, tailBytes: number): boolean {
    try {
      this.#intake.head(request, memory, headBytes, true, tailBytes);
      readPlan(request);
      this.#pictures.check(request);
      return true;
    } catch (error) {
      this.refuse(request, error);
      return false;
    }
  }

  /** The next piece of the tail; `last` completes the request. False where it was refused. */
  takeTail(request: InferRequest, source: Memory, offset: number, length: number, last: boolean): boolean {
    try {
      this.#intake.tail(request, source, offset, length);
      if (!last) return true;
      this.#intake.finish(request);
      this.#taken(request);
      return true;
    } catch (error) {
      this.refuse(request, error);
      return false;
    }
  }

  /** A turn of the loop has read what was there. False where some of it may still start: to be called again. */
  turned(): boolean {
    const { settled } = this.driver;
    if (settled) this.rest.take();
    return settled;
  }

  /** All of the body is in: tensors travel, pictures become some first. */
  #taken(request: InferRequest): void {
    if (request.state === 'ENDED' || (request.entry as PlanEntry).plan.pictures === null) this.#depart(request);
    else void this.#read(request);
  }

  /** Step 4 for pictures. */
  #read(request: InferRequest): Promise<void> {
    readPlan(request);
    const reading = this.#pictures.read(request);
    return this.#elsewhere(
      request,
      reading.then(() => this.#depart(request)),
    );
  }

  /** What is left of step 4 is done elsewhere. Whoever is late meanwhile is told then, and what waits to be decoded for it is dropped. */
  async #elsewhere(request: InferRequest, work: Promise<void>): Promise<void> {
    const alarm = new Alarm(this.#clock, request.deadlineUs, () => this.#lateInReading(request));
    try {
      await work;
    } catch (error) {
      this.refuse(request, error);
    } finally {
      alarm.off();
    }
  }

  #lateInReading(request: InferRequest): void {
    if (request.state === 'ENDED') return;
    this.#pictures.drop(request);
    this.#answering.tooLate(request);
  }

  /** Step 5. The deadline counts from the request's first byte. */
  #depart(request: InferRequest): void {
    if (request.state === 'ENDED') {
      this.#intake.release(request);
      return;
    }
    if (this.#poison.size > 0 && this.#poison.holds(request, this.#clock.nowUs())) {
      this.refuse(request, new GatewayError('EXECUTION_FAILED', REFUSED));
      return;
    }
    readPlan(request);
    const refusal = this.driver.submit(request.target.queue, request);
    if (refusal !== null) this.refuse(request, refusalError(request.target, refusal));
  }

  /** Step 6: what the lane is given. */
  board(batch: Batch<InferRequest>): RunRequest {
    const nowUs = this.#clock.nowUs();
    this.usage[batch.lane].began(batch.startedUs);
    batch.requests[0].target.usage.began(batch.startedUs);
    this.#takeCores(batch);
    for (const request of batch.requests) {
      request.boarded = batch;
      request.queueUs = nowUs - request.arrivalUs;
      request.target.metrics.queueUs.record(request.queueUs);
    }
    const boarded = this.#manifests.board(batch);
    boarded.inputUs = this.#clock.nowUs() - nowUs;
    this.#boarded.set(batch, boarded);
    return boarded.run;
  }

  #takeCores({ lane, requests, startedUs }: Batch<InferRequest>): void {
    const { intraOpThreads, provider } = requests[0].target.facts;
    if (lane === this.#inline) this.rest.beganInline(startedUs);
    else this.rest.began(lane, provider === 'cpu' ? intraOpThreads || this.rest.cores : 0);
  }

  /** Step 7: each request's rows back to its caller. */
  arrived(batch: Batch<InferRequest>, result: RunResult): void {
    this.#answering.arrived(batch, this.#boarded.get(batch) as Boarded, result);
  }

  /** The lane has let go of the batch's memory; whoever is still being answered has not. */
  left(batch: Batch<InferRequest>): void {
    this.#countUse(batch);
    const boarded = this.#boarded.get(batch);
    this.#boarded.delete(batch);
    const answering = boarded?.answering ?? null;
    if (answering === null) this.#letGo(batch, boarded);
    else void answering.finally(() => this.#letGo(batch, boarded));
  }

  #letGo(batch: Batch<InferRequest>, boarded: Boarded | undefined): void {
    if (boarded !== undefined) this.#manifests.release(boarded);
    for (const request of batch.requests) {
      request.boarded = null;
      if (request.state === 'ENDED') this.#intake.release(request);
    }
  }

  #countUse({ lane, queue, requests, startedUs }: Batch<InferRequest>): void {
    const nowUs = this.#clock.nowUs();
    const { usage } = requests[0].target;
    this.usage[lane].ended(startedUs, nowUs, false);
    this.rest.ended(lane);
    usage.ended(startedUs, nowUs, queue.length > 0 && usage.running >= queue.lanes.length);
  }

  /** The caller has gone: nothing is sent, nothing more is run for it. */
  abort(request: InferRequest): void {
    if (request.state === 'ENDED') return;
    this.driver.cancel(request);
    this.#pictures.drop(request);
    this.#answering.gone(request);
  }

  /** Ends a request that is in no queue, where it has not ended. */
  refuse(request: InferRequest, error: unknown): void {
    this.#answering.refuse(request, error);
  }

  /** The run failed, and so did the second try; or there is nothing to run it on. */
  failed(request: InferRequest, error: RunError): void {
    if (error.failure === 'WORKER_DIED') this.#poison.add(request, this.#clock.nowUs());
    this.#answering.failed(request, error);
  }

  expired(request: InferRequest): void {
    this.#answering.expired(request);
  }

  displaced(request: InferRequest): void {
    this.#answering.displaced(request);
  }

  /** Requests announced and not answered yet. */
  get inFlight(): number {
    return this.#answering.owed;
  }

  /** No new requests; resolves when all that were accepted have been answered. */
  async drain(): Promise<void> {
    this.#draining = true;
    await this.#answering.settled();
    await this.driver.idle();
  }
}

/** A refusal at the door. */
function counted({ metrics }: Target, error: GatewayError): GatewayError {
  metrics.error(error.code);
  return error;
}

/** What its head says of when it is to be served. */
function readPlan(request: InferRequest): void {
  const { priority, timeoutUs } = (request.entry as PlanEntry).plan;
  request.priority = priority;
  if (timeoutUs > 0) request.deadlineUs = Math.min(request.deadlineUs, request.arrivalUs + timeoutUs);
}

/** The shorter of two times of which 0 is none: Infinity where both are. */
function earliest(a: number, b: number): number {
  return Math.min(a || Number.POSITIVE_INFINITY, b || Number.POSITIVE_INFINITY);
}
