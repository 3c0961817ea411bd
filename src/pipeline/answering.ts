/**
 * How a request ends: with its rows of a batch, written once, or with the one error that it is told. Whoever was announced is owed one of
 * them, and gets it once. Nothing here decides what is run, or when.
 */

import type { Batch } from '../batching/travel.ts';
import type { Answer, OutputData } from '../codec/answer.ts';
import type { PlanEntry } from '../codec/head.ts';
import type { PlannedPictures } from '../codec/picture-plan.ts';
import type { Clock } from '../core/clock.ts';
import { asGatewayError, GatewayError, instanceLost } from '../core/error.ts';
import type { RunError, RunResult } from '../core/instance.ts';
import type { Pace } from '../core/pace.ts';
import type { NamedOutput } from '../core/tensor.ts';
import type { Binding } from '../native/binding.ts';
import { giveBack } from '../native/give-back.ts';
import { pictureOutputs } from '../preprocess/picture-outputs.ts';
import { arenaUsedUp, displacedError } from './admission.ts';
import type { Intake } from './intake.ts';
import type { Boarded, Manifest } from './manifest.ts';
import type { PictureModel } from './picture-model.ts';
import type { PictureWork } from './pictures.ts';
import type { InferRequest } from './request.ts';

/** Answers requests. */
export class Answering {
  readonly #binding: Binding;
  readonly #clock: Clock;
  readonly #pace: Pace;
  readonly #intake: Intake;
  readonly #manifests: Manifest;
  #owed = 0;
  #onSettled: (() => void) | null = null;
  /** When the clock was last looked at: between two answers of a batch nothing passes but what it took to make the first. */
  #nowUs = 0;

  /** @param intake gives back the memory of who has ended. @param manifests knows whose rows of a batch are whose */
  constructor(binding: Binding, clock: Clock, pace: Pace, intake: Intake, manifests: Manifest) {
    this.#binding = binding;
    this.#clock = clock;
    this.#pace = pace;
    this.#intake = intake;
    this.#manifests = manifests;
  }

  /** Requests announced and not answered yet, those whose body is still coming included. */
  get owed(): number {
    return this.#owed;
  }

  /** One more is announced. */
  owe(): void {
    this.#owed++;
  }

  /** When nobody is owed an answer. */
  async settled(): Promise<void> {
    if (this.#owed === 0) return;
    await new Promise<void>((resolve) => {
      this.#onSettled = resolve;
    });
  }

  /** A batch has run: each request's rows go back to its caller. What is still being read of it then, `boarded.answering` tells. */
  arrived(batch: Batch<InferRequest>, boarded: Boarded, result: RunResult): void {
    const nowUs = this.#look();
    const answering: Promise<void>[] = [];
    let row = 0;
    for (const request of batch.requests) {
      request.runUs = result.runUs;
      if (request.state === 'RUNNING') {
        if (request.deadlineUs < nowUs) this.tooLate(request);
        else if (!this.#isLate(request, this.#nowUs)) {
          const making = this.#answer(request, boarded, result, row);
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

  /** @returns null where it is answered, or a promise of that: then the outputs are still being read */
  #answer(request: InferRequest, boarded: Boarded, result: RunResult, row: number): Promise<void> | null {
    const { target, id } = request;
    try {
      const outputs: OutputData[] = this.#manifests.outputsOf(boarded, result, request, row);
      const entry = request.entry as PlanEntry;
      const { pictures } = entry.plan;
      if (pictures?.declared === true) return this.#answerPictures(request, pictures, outputs);
      this.#send(request, target.answers.write(entry, id, outputs, target.placed));
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
      const named = await this.#declared(request, pictures, outputs);
      if (!this.#isWanted(request)) return;
      this.#send(request, request.target.answers.writeNamed(request.id, named, pictures.binary));
    } catch (error) {
      this.refuse(request, error);
    }
  }

  /**
   * What model.yaml says is answered to pictures.
   * @throws {GatewayError} (as rejection) CANCELLED where it is not wanted any more, EXECUTION_FAILED
   */
  #declared(
    request: InferRequest,
    { classification }: PlannedPictures,
    outputs: readonly OutputData[],
  ): Promise<NamedOutput[]> {
    const { target, pictures } = request;
    const { declared, labels } = target.pictures as PictureModel;
    const { geometries } = pictures as PictureWork;
    const named = outputs.map((output, i) => ({ ...output, ...target.facts.signature.outputs[i] }));
    const pace = this.#pace.while(() => this.#isWanted(request));
    return pictureOutputs(this.#binding, declared, labels, named, geometries, classification, pace);
  }

  /** Whether somebody waits for the answer that is being made. */
  #isWanted(request: InferRequest): boolean {
    return request.state === 'RUNNING' && !this.#isLate(request, this.#look());
  }

  /** Whether the deadline has passed since the batch had run, which was in time: who is late is told, and counted, here. */
  #isLate(request: InferRequest, nowUs: number): boolean {
    if (request.deadlineUs >= nowUs) return false;
    request.target.queue.late++;
    this.tooLate(request);
    return true;
  }

  #look(): number {
    this.#nowUs = this.#clock.nowUs();
    return this.#nowUs;
  }

  /** An answer is made, which may have taken long: where it is in time it is written, or packed first where its caller asked for that. */
  #send(request: InferRequest, { body, jsonBytes }: Answer): void {
    // Who has no deadline is never late, and a look at the clock for each of them would be felt.
    const nowUs = request.deadlineUs === Number.POSITIVE_INFINITY ? this.#nowUs : this.#look();
    if (!this.#isLate(request, nowUs)) {
      const packing = request.reply.pack(body, jsonBytes);
      if (packing === null) this.#write(request, body, jsonBytes, nowUs);
      else {
        // Its rows are not needed any more: they go with its batch.
        request.state = 'ENDED';
        void packing.then((packed) => this.#packed(request, packed));
      }
    }
    giveBack(body);
  }

  /** Packing may have taken long, too. */
  #packed(request: InferRequest, body: Uint8Array): void {
    const nowUs = this.#look();
    if (!this.#isLate(request, nowUs)) this.#write(request, body, 0, nowUs);
  }

  #write(request: InferRequest, body: Uint8Array, jsonBytes: number, nowUs: number): void {
    request.state = 'ENDED';
    request.totalUs = nowUs - request.arrivalUs;
    try {
      request.reply.answer(body, jsonBytes);
    } catch (error) {
      this.#fail(request, asGatewayError(error));
      return;
    }
    request.target.metrics.ok(request.totalUs, request.rows);
    this.#closed();
  }

  /** Ends a request that is in no queue: what comes after the deadline is an answer to nobody. */
  tooLate(request: InferRequest): void {
    request.state = 'ENDED';
    this.expired(request);
  }

  /** One that has ended because its deadline passed is told. */
  expired(request: InferRequest): void {
    const waitedMs = Math.round((this.#clock.nowUs() - request.arrivalUs) / 1000);
    this.#fail(request, new GatewayError('DEADLINE_EXCEEDED', `the deadline passed after ${waitedMs} ms`));
    this.#intake.release(request);
  }

  /** One that has ended because somebody else needs its place is told. */
  displaced(request: InferRequest): void {
    this.#fail(request, displacedError(request.target));
    this.#intake.release(request);
  }

  /** One that has ended because it will not be run (again) is told. */
  failed(request: InferRequest, error: RunError): void {
    this.#fail(request, runFailure(request.target.model, error));
    this.#intake.release(request);
  }

  /** One that has ended because its caller has gone: nobody is told. */
  gone(request: InferRequest): void {
    this.#intake.release(request);
    this.#fail(request, new GatewayError('CLIENT_CLOSED', 'the client closed the connection'));
  }

  /** Ends a request that is in no queue, where it has not ended. */
  refuse(request: InferRequest, error: unknown): void {
    if (request.state === 'ENDED') {
      this.#intake.release(request);
      return;
    }
    request.state = 'ENDED';
    this.#intake.release(request);
    this.#fail(request, asGatewayError(error));
  }

  #fail(request: InferRequest, error: GatewayError): void {
    request.target.metrics.error(error.code, this.#clock.nowUs() - request.arrivalUs);
    request.reply.fail(error);
    this.#closed();
  }

  #closed(): void {
    this.#owed--;
    if (this.#owed === 0) this.#onSettled?.();
  }
}

/** Why a request was not run, without what only the log may say. */
function runFailure(model: string, error: RunError): GatewayError {
  if (error.failure === 'INSTANCE_LOST') return instanceLost(model);
  if (error.failure === 'OUT_OF_MEMORY') return arenaUsedUp();
  const what = error.failure === 'WORKER_DIED' ? 'its worker died twice' : 'the model refused it';
  const message = `model '${model}' failed to run this request: ${what}; the log has the reason`;
  return new GatewayError('EXECUTION_FAILED', message, { cause: error });
}

/** Nobody reads the outputs any more. */
function giveBackAll({ outputs }: RunResult): void {
  for (const output of outputs) giveBack(output?.bytes);
}
