/**
 * The routes beside inference: documents of the snapshot, metrics, and the small JSON bodies that some of them take. They
 * answer at once, from memory; nothing here may wait for a model.
 */

import type { HttpResponse } from 'uWebSockets.js';
import { asGatewayError, GatewayError } from '../core/error.ts';
import type { ModelVersion, Snapshot } from '../core/model.ts';
import { findVersion, isReady, resolve } from '../routing/resolve.ts';
import { tooLarge } from './body.ts';
import { CONTROL_BODY_BYTES, ControlBody } from './control-body.ts';
import { modelConfig, modelList, modelMetadata, repositoryIndex, serverMetadata } from './documents.ts';
import type { Exchange } from './exchange.ts';
import type { RequestHeaders } from './headers.ts';
import { openApiDocument } from './openapi.ts';
import type { Route } from './path.ts';
import { capacityDocument, type Scheduled, schedulerDocument } from './scheduling.ts';
import type { ServerParts } from './server.ts';
import { allStatistics, modelStatistics, type StatisticsSource } from './statistics.ts';
import type { UploadWatch } from './uploads.ts';

/** Pictures of the inside, tenants by name included: not for web pages. */
const GUARDED: ReadonlySet<Route['name']> = new Set(['debug', 'scheduler', 'capacity']);

/** Answers the control routes of one listener. */
export class Control {
  readonly #parts: ServerParts;
  readonly #uploads: UploadWatch;
  readonly #statistics: StatisticsSource;

  constructor(parts: ServerParts, uploads: UploadWatch) {
    this.#parts = parts;
    this.#uploads = uploads;
    this.#statistics = {
      metrics: (target) => parts.target(target)?.metrics ?? null,
      epochMs: Date.now() - parts.clock.nowUs() / 1000,
    };
  }

  /** Answers `route`, which takes the request's method. @throws {GatewayError} */
  answer(exchange: Exchange, res: HttpResponse, headers: RequestHeaders, route: Route): void {
    if (route.name === 'metrics') this.#metrics(exchange, res);
    else if (GUARDED.has(route.name)) {
      this.#parts.guard.check(headers.host, headers.origin);
      exchange.json(this.#document(route));
    } else if (exchange.method === 'POST') this.#posted(exchange, res, headers, route);
    else exchange.json(this.#document(route));
  }

  #document(route: Route): unknown {
    const snapshot = this.#parts.snapshot();
    const { name, model, version } = route;
    switch (name) {
      case 'server':
        return serverMetadata(this.#parts.version);
      case 'live':
        return { live: true };
      case 'ready':
        return this.#ready(snapshot);
      case 'openapi':
        return openApiDocument(this.#parts.version, this.#parts.basePath);
      case 'models':
        return modelList(snapshot);
      case 'allStatistics':
        return allStatistics(snapshot, this.#statistics);
      case 'model':
        return modelMetadata(snapshot, findVersion(snapshot, model, version));
      case 'modelConfig':
        return modelConfig(findVersion(snapshot, model, version));
      case 'modelStatistics':
        return modelStatistics(snapshot, model, version, this.#statistics);
      case 'scheduler':
        return this.#scheduler(resolve(snapshot, model, version));
      case 'capacity':
        return capacityDocument([...snapshot.models.values()].flatMap(({ versions }) => this.#scheduled(versions)));
      case 'debug':
        return this.#parts.debug();
      case 'modelReady':
        return { name: resolve(snapshot, model, version).model, ready: true };
      case 'systemSharedMemory':
      case 'cudaSharedMemory':
        return [];
      default:
        throw new GatewayError('ROUTE_NOT_FOUND', 'Not Found');
    }
  }

  /** @throws {GatewayError} MODEL_NOT_READY */
  #scheduler(version: ModelVersion): unknown {
    const [scheduled] = this.#scheduled([version]);
    if (scheduled !== undefined) return schedulerDocument(scheduled, this.#parts.clock.nowUs());
    throw new GatewayError('MODEL_NOT_READY', `model '${version.model}' is not ready`);
  }

  /** Those of the versions that are in service. */
  #scheduled(versions: readonly ModelVersion[]): Scheduled[] {
    return versions.flatMap((version) => {
      const view = this.#parts.view(version);
      return view === null || version.facts === null ? [] : [{ version, facts: version.facts, view }];
    });
  }

  #ready(snapshot: Snapshot): unknown {
    if (this.#parts.draining()) throw new GatewayError('SHUTTING_DOWN', 'the server is shutting down');
    if (!isReady(snapshot, this.#parts.strictReadiness)) {
      const few = this.#parts.strictReadiness ? 'not every model is ready' : 'no model is ready';
      throw new GatewayError('MODEL_NOT_READY', snapshot.settled ? few : 'models are loading');
    }
    return { live: true, ready: true };
  }

  #metrics(exchange: Exchange, res: HttpResponse): void {
    res.onAborted(() => exchange.abort());
    this.#parts.metrics().then(
      ({ type, text }) => exchange.send(type, text),
      (error: unknown) => exchange.fail(asGatewayError(error)),
    );
  }

  /** A small JSON body, then its document. tritonclient sends neither a body nor a length: that is an empty one. */
  #posted(exchange: Exchange, res: HttpResponse, headers: RequestHeaders, route: Route): void {
    this.#parts.guard.check(headers.host, headers.origin);
    const answer = (body: string) => {
      if (route.name !== 'repositoryIndex') throw new GatewayError('ROUTE_NOT_FOUND', 'Not Found');
      exchange.json(repositoryIndex(this.#parts.snapshot(), body));
    };
    if (Number(headers.contentLength) > CONTROL_BODY_BYTES) {
      exchange.close = true;
      throw tooLarge(CONTROL_BODY_BYTES, 'controlBytes');
    }
    const body = new ControlBody(this.#parts.gathered, exchange, answer);
    res.onAborted(() => body.abort());
    this.#uploads.began(body);
    res.onData((chunk, last) => body.chunk(chunk, last));
  }
}
