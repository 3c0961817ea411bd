/**
 * The road of a request, in order:
 *
 *   open    2-4  who, where, door     cheap refusals, before a byte is decoded
 *   take    5    decode               chunk by chunk, straight into the arena; encoded pictures go on to rows of it (read)
 *   depart  6    travel together      the batcher decides with whom
 *   board   7    run                  a batch is a view on the arena; only numbers cross the thread
 *   arrived 8-9  encode, bytes out    row by row back to each caller, once
 *
 * Nothing here calls back up: the wire hands a request in with a Reply, and is told through it.
 */

import { Driver, type Passage } from '../batching/driver.ts';
import type { Batch, Scheduler } from '../batching/travel.ts';
import type { Answer, OutputData } from '../codec/answer.ts';
import type { PlanEntry } from '../codec/head.ts';
import type { PictureWishes, PlannedPictures } from '../codec/picture-plan.ts';
import type { Clock } from '../core/clock.ts';
import { asGatewayError, GatewayError, instanceLost } from '../core/error.ts';
import type { Lane, RunError, RunRequest, RunResult } from '../core/instance.ts';
import type { Arena } from '../native/arena.ts';
import type { Binding, Memory } from '../native/binding.ts';
import { giveBack } from '../native/give-back.ts';
import { arenaUsedUp, displacedError, refusalError } from './admission.ts';
import { Intake } from './intake.ts';
import { type Boarded, Manifest } from './manifest.ts';
import { type PictureParts, Pictures } from './pictures.ts';
import { PoisonTable } from './poison.ts';
import { InferRequest, type Reply } from './request.ts';
import type { Target } from './target.ts';
import { Usage } from './usage.ts';

/** Said to a request that killed two workers, when it comes again. */
const REFUSED = 'this request ended two workers within the last 10 minutes and is not run again';

/** Longest time that a timer counts, milliseconds. */
const MOST_TIMER_MS = 2 ** 31 - 1;

/** What the road is built from. */
export interface RoadParts {
  readonly binding: Binding;
  readonly arena: Arena;
  readonly clock: Clock;
  readonly lanes: readonly Lane[];
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
  readonly #clock: Clock;
  readonly #intake: Intake;
  readonly #pictures: Pictures;
  readonly #manifests: Manifest;
  readonly #poison: PoisonTable;
  readonly #boarded = new Map<Batch<InferRequest>, Boarded>();
  #draining = false;
  /** Requests announced and not answered yet, those whose body is still coming included. */
  #open = 0;
  #drained: (() => void) | null = null;

  constructor(parts: RoadParts) {
    this.#clock = parts.clock;
    this.#intake = new Intake(parts.binding, parts.arena);
    this.#pictures = new Pictures(parts.binding, parts.arena, parts.clock, this.#intake, parts.pictures);
    this.#manifests = new Manifest(parts.binding, parts.arena);
    this.#poison = new PoisonTable(parts.arena.bytes);
    this.usage = parts.lanes.map(() => new Usage());
    this.driver = new Driver(parts.clock, parts.lanes, parts.scheduler, this, (batch, error) => {
      parts.onFailedRun((batch.requests[0] as InferRequest).target, batch.rows, error);
    });
  }

  /**
   * Steps 2 to 4: a request for `target` is announced.
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
    this.#open++;
    const request = new InferRequest(target, reply, arrivalUs);
    request.tenant = tenant;
    request.deadlineUs = deadlineUs;
    request.picture = picture;
    return request;
  }

  /** Step 5, for a body in one piece. @returns null where it has been read, else a promise of that */
  take(request: InferRequest, body: Memory, headBytes: number): Promise<void> | null {
    try {
      const pending = this.#intake.whole(request, body, headBytes);
      if (pending !== null) {
        return pending.then(
          () => this.#taken(request),
          (error: unknown) => this.refuse(request, error),
        );
      }
      this.#taken(request);
    } catch (error) {
      this.refuse(request, error);
    }
    return null;
  }

  /** Step 5, for a large binary body: its head is in, the tail follows in pieces. False where it was refused. */
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

  /** The caller has gone: nothing is sent, nothing more is run for it. */
  abort(request: InferRequest): void {
    if (request.state === 'ENDED') return;
    this.driver.cancel(request);
    this.#pictures.drop(request);
    this.#release(request);
    this.#fail(request, new GatewayError('CLIENT_CLOSED', 'the client closed the connection'));
  }

  /** Requests announced and not answered yet. */
  get inFlight(): number {
    return this.#open;
  }

  /** No new requests; resolves when all that were accepted have been answered. */
  async drain(): Promise<void> {
    this.#draining = true;
    if (this.#open > 0) {
      await new Promise<void>((resolve) => {
        this.#drained = resolve;
      });
    }
    await this.driver.idle();
  }

  /** All of the body is in: tensors travel, pictures become some first. */
  #taken(request: InferRequest): void {
    if (request.state === 'ENDED' || (request.entry as PlanEntry).plan.pictures === null) this.#depart(request);
    else void this.#read(request);
  }

  /** Step 5 for pictures. Whoever is late meanwhile is told then, and what waits to be decoded for it is dropped. */
  async #read(request: InferRequest): Promise<void> {
    readPlan(request);
    const leftMs = (request.deadlineUs - this.#clock.nowUs()) / 1000;
    const late = leftMs < MOST_TIMER_MS ? setTimeout(() => this.#lateInReading(request), leftMs) : null;
    try {
      await this.#pictures.read(request);
      this.#depart(request);
    } catch (error) {
      this.refuse(request, error);
    } finally {
      clearTimeout(late ?? undefined);
    }
  }

  #lateInReading(request: InferRequest): void {
    if (request.state === 'ENDED') return;
    request.state = 'ENDED';
    this.#pictures.drop(request);
    this.expired(request);
  }

  /** Step 6. The deadline counts from the request's first byte. */
  #depart(request: InferRequest): void {
    if (request.state === 'ENDED') {
      this.#release(request);
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

  /** Step 7: what the lane is given. */
  board(batch: Batch<InferRequest>): RunRequest {
    const nowUs = this.#clock.nowUs();
    this.usage[batch.lane].began(batch.startedUs);
    batch.requests[0].target.usage.began(batch.startedUs);
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

  /** Step 8: each request's rows back to its caller. */
  arrived(batch: Batch<InferRequest>, result: RunResult): void {
    const nowUs = this.#clock.nowUs();
    const boarded = this.#boarded.get(batch) as Boarded;
    const answering: Promise<void>[] = [];
    let row = 0;
    for (const request of batch.requests) {
      request.runUs = result.runUs;
      if (request.state === 'RUNNING') {
        if (request.deadlineUs < nowUs) this.#tooLate(request);
        else {
          const making = this.#answer(request, batch, boarded, result, row, nowUs);
          if (making !== null) answering.push(making);
        }
      }
      row += request.rows;
    }
    const { requests, rows } = batch;
    const { metrics } = requests[0].target;
    const endUs = this.#clock.nowUs();
    metrics.batch(requests.length, rows, boarded.inputUs, result.runUs, endUs - nowUs, endUs);
    if (answering.length === 0) giveBackAll(result);
    else {
      boarded.answering = Promise.allSettled(answering).then(() => {
        metrics.handedOutLater(requests.length, rows, this.#clock.nowUs() - endUs);
        giveBackAll(result);
      });
    }
  }

  /** The run failed, and so did the second try; or there is nothing to run it on. */
  failed(request: InferRequest, error: RunError): void {
    if (error.failure === 'WORKER_DIED') this.#poison.add(request, this.#clock.nowUs());
    this.#fail(request, this.#failure(request, error));
    if (request.boarded === null) this.#release(request);
  }

  #failure(request: InferRequest, error: RunError): GatewayError {
    const { model } = request.target;
    if (error.failure === 'INSTANCE_LOST') return instanceLost(model);
    if (error.failure === 'OUT_OF_MEMORY') return arenaUsedUp();
    const message = `model '${model}' failed to run this request: ${
      error.failure === 'WORKER_DIED' ? 'its worker died twice' : 'the model refused it'
    }; the log has the reason`;
    return new GatewayError('EXECUTION_FAILED', message, { cause: error });
  }

  expired(request: InferRequest): void {
    const waitedMs = Math.round((this.#clock.nowUs() - request.arrivalUs) / 1000);
    this.#fail(request, new GatewayError('DEADLINE_EXCEEDED', `the deadline passed after ${waitedMs} ms`));
    if (request.boarded === null) this.#release(request);
  }

  displaced(request: InferRequest): void {
    this.#fail(request, displacedError(request.target));
    this.#release(request);
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
    usage.ended(startedUs, nowUs, queue.length > 0 && usage.running >= queue.lanes.length);
  }

  /** What comes after the deadline is an answer to nobody. Its memory is given back with the batch's. */
  #tooLate(request: InferRequest): void {
    request.state = 'ENDED';
    this.expired(request);
  }

  /** @returns null where it is answered, or a promise of that: then the outputs are still being read */
  #answer(
    request: InferRequest,
    batch: Batch<InferRequest>,
    boarded: Boarded,
    result: RunResult,
    row: number,
    nowUs: number,
  ): Promise<void> | null {
    const { target, id } = request;
    try {
      const outputs: OutputData[] = this.#manifests.outputsOf(batch, boarded, result, request, row);
      const entry = request.entry as PlanEntry;
      const { pictures } = entry.plan;
      if (pictures?.declared === true) return this.#answerPictures(request, pictures, outputs);
      this.#send(request, target.answers.write(entry, id, outputs, target.placed), nowUs);
    } catch (error) {
      request.state = 'ENDED';
      this.#fail(request, asGatewayError(error));
    }
    return null;
  }

  /** Step by step: others are read and answered meanwhile, the deadline may pass, and the caller may go. */
  async #answerPictures(
    request: InferRequest,
    pictures: PlannedPictures,
    outputs: readonly OutputData[],
  ): Promise<void> {
    try {
      const named = await this.#pictures.outputs(request, pictures, outputs, () => this.#isWanted(request));
      if (!this.#isWanted(request)) return;
      this.#send(request, request.target.answers.writeNamed(request.id, named, pictures.binary), this.#clock.nowUs());
    } catch (error) {
      this.refuse(request, error);
    }
  }

  /** Whether somebody waits for the answer that is being made. Its batch was in time: who is late is told, and counted, here. */
  #isWanted(request: InferRequest): boolean {
    if (request.state === 'RUNNING' && request.deadlineUs < this.#clock.nowUs()) {
      request.target.queue.late++;
      this.#tooLate(request);
    }
    return request.state === 'RUNNING';
  }

  #send(request: InferRequest, { body, jsonBytes }: Answer, nowUs: number): void {
    request.state = 'ENDED';
    request.totalUs = nowUs - request.arrivalUs;
    try {
      request.reply.answer(body, jsonBytes);
    } catch (error) {
      this.#fail(request, asGatewayError(error));
      return;
    }
    request.target.metrics.ok(request.totalUs, request.rows);
    giveBack(body);
    this.#closed();
  }

  /** Ends a request that is in no queue, where it has not ended. */
  refuse(request: InferRequest, error: unknown): void {
    if (request.state === 'ENDED') {
      this.#release(request);
      return;
    }
    request.state = 'ENDED';
    this.#release(request);
    this.#fail(request, asGatewayError(error));
  }

  #fail(request: InferRequest, error: GatewayError): void {
    request.target.metrics.error(error.code, this.#clock.nowUs() - request.arrivalUs);
    request.reply.fail(error);
    this.#closed();
  }

  #closed(): void {
    this.#open--;
    if (this.#open === 0) this.#drained?.();
  }

  #release(request: InferRequest): void {
    if (request.boarded === null) this.#intake.release(request);
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

/** Nobody reads the outputs any more. */
function giveBackAll({ outputs }: RunResult): void {
  for (const output of outputs) giveBack(output?.bytes);
}

/** The shorter of two times of which 0 is none: Infinity where both are. */
function earliest(a: number, b: number): number {
  return Math.min(a || Number.POSITIVE_INFINITY, b || Number.POSITIVE_INFINITY);
}
