/**
 * The two listeners: the only importer of uWebSockets.js. Reads what must be read before a callback returns, guards, routes,
 * and hands inference requests to the road.
 *
 * Its oddities: an unanswered or unmatched request ends the process or the socket, so `any('/*')` answers all; chunks are
 * emptied behind us; HEAD must be ended with `end`; the exclusive-port flag is the third argument of listen and missing in
 * its types; the header limit is read from the environment before the module is loaded (cli/serve.ts sets it).
 */

import * as uws from 'uWebSockets.js';
import {
  App,
  type HttpRequest,
  type HttpResponse,
  type TemplatedApp,
  us_listen_socket_close,
  us_socket_local_port,
} from 'uWebSockets.js';
import type { Clock } from '../core/clock.ts';
import { asGatewayError, GatewayError, invalid } from '../core/error.ts';
import type { Snapshot } from '../core/model.ts';
import type { InferRoad } from '../pipeline/infer.ts';
import type { Target } from '../pipeline/target.ts';
import { findVersion, isReady, resolve } from '../routing/resolve.ts';
import { type GatherLedger, tooLarge } from './body.ts';
import { CONTROL_BODY_BYTES, ControlBody } from './control-body.ts';
import { modelConfig, modelList, modelMetadata, repositoryIndex, serverMetadata } from './documents.ts';
import { Exchange, type OnAnswer, Wire } from './exchange.ts';
import type { HostGuard } from './guard.ts';
import { InferBody } from './infer-body.ts';
import { parsePath, type Route, type RouteName } from './path.ts';
import { type UploadLimits, UploadWatch } from './uploads.ts';

/** Paths remembered with their target: the registry's, as they are spelt plainly, so clients cannot grow it. */
const MOST_HOT_PATHS = 4096;

/** Largest `Inference-Header-Content-Length`. */
const MOST_HEAD_BYTES = 2 ** 31 - 1;

/** What the listeners serve. */
export interface ServerParts extends UploadLimits {
  readonly clock: Clock;
  readonly road: InferRoad;
  readonly guard: HostGuard;
  readonly version: string;
  readonly basePath: string;
  readonly strictReadiness: boolean;
  readonly bodyBytes: number;
  /** The memory of bodies that come in pieces. */
  readonly gathered: GatherLedger;
  readonly connections: number;
  readonly snapshot: () => Snapshot;
  /** The data plane's object of a READY version. */
  readonly target: (id: number) => Target | null;
  readonly draining: () => boolean;
  /** Prometheus text and its content type. */
  readonly metrics: () => Promise<{ type: string; text: string }>;
  readonly onAnswer: OnAnswer;
}

/** Routes and the methods each one takes. */
const METHODS: Readonly<Record<Exclude<RouteName, 'none'>, string>> = {
  server: 'GET, HEAD',
  live: 'GET, HEAD',
  ready: 'GET, HEAD',
  models: 'GET, HEAD',
  repositoryIndex: 'POST',
  model: 'GET, HEAD',
  modelReady: 'GET, HEAD',
  modelConfig: 'GET, HEAD',
  infer: 'POST',
  systemSharedMemory: 'GET, HEAD',
  cudaSharedMemory: 'GET, HEAD',
  metrics: 'GET, HEAD',
};

const ADMIN_ROUTES: ReadonlySet<RouteName> = new Set(['live', 'ready', 'metrics']);

/** One listener. */
export class HttpServer {
  readonly #parts: ServerParts;
  readonly #admin: boolean;
  readonly #app: TemplatedApp;
  readonly #wire: Wire;
  /** Infer paths seen, with their targets, for the snapshot they were resolved in. */
  readonly #hot = new Map<string, Target>();
  #hotSnapshot: Snapshot | null = null;
  #socket: Parameters<typeof us_listen_socket_close>[0] | null = null;
  #connections = 0;
  /** The time of this turn of the event loop; -1 before its first request. */
  #turnUs = -1;
  readonly #uploads: UploadWatch;
  readonly #onTurn = () => {
    this.#turnUs = -1;
    this.#uploads.turned();
  };

  /** @param admin the admin listener: health and metrics only. */
  constructor(parts: ServerParts, admin: boolean) {
    this.#parts = parts;
    this.#admin = admin;
    this.#wire = new Wire(parts.onAnswer);
    this.#uploads = new UploadWatch(parts.clock, parts);
    // Missing in its types: leaves the product's name out of answers.
    (uws as unknown as { _cfg: (option: string) => void })._cfg('silent');
    this.#app = App();
    this.#app.filter((res, count) => this.#count(res, count));
    this.#app.any('/*', (res, req) => this.#request(res, req));
  }

  /** Takes the port, exclusively. @returns the port, or null where somebody has it */
  listen(host: string, port: number): Promise<number | null> {
    return new Promise((resolvePort) => {
      const listen = this.#app.listen as unknown as (
        this: TemplatedApp,
        host: string,
        port: number,
        exclusive: number,
        then: (socket: Parameters<typeof us_listen_socket_close>[0] | false) => void,
      ) => void;
      listen.call(this.#app, host, port, 1, (socket) => {
        if (socket === false) return resolvePort(null);
        this.#socket = socket;
        resolvePort(us_socket_local_port(socket as never));
      });
    });
  }

  /** Open connections. */
  get connections(): number {
    return this.#connections;
  }

  /** Takes no new connections, and ends each one with its next answer. */
  stopListening(): void {
    this.#wire.closing = true;
    if (this.#socket !== null) us_listen_socket_close(this.#socket);
    this.#socket = null;
  }

  /** Bodies that are still coming will not be waited for: they are answered, and what is complete goes on. */
  refuseUploads(): void {
    this.#uploads.refuseAll(() => new GatewayError('SHUTTING_DOWN', 'the server is shutting down'));
  }

  /** Closes what is left. */
  close(): void {
    this.stopListening();
    this.#uploads.dispose();
    this.#app.close();
  }

  #count(res: HttpResponse, change: number): void {
    this.#connections += change;
    if (change > 0 && this.#connections > this.#parts.connections) res.close();
  }

  #request(res: HttpResponse, req: HttpRequest): void {
    const method = req.getCaseSensitiveMethod();
    const url = req.getUrl();
    const path = this.#parts.basePath !== '' && url.startsWith(this.#parts.basePath) ? this.#cut(url) : url;
    const exchange = new Exchange(this.#wire, res, req, method, path, this.#arrivalUs());
    exchange.close = this.#parts.draining();
    try {
      const hot = method === 'POST' ? this.#hotTarget(path) : undefined;
      if (hot !== undefined) this.#infer(exchange, res, req, hot);
      else this.#routed(exchange, res, req);
    } catch (error) {
      exchange.fail(asGatewayError(error));
    }
    if (exchange.deferred) res.onAborted(() => exchange.abort());
  }

  /** One reading of the clock for all requests of a turn: their bytes were there when it began. */
  #arrivalUs(): number {
    if (this.#turnUs < 0) {
      this.#turnUs = this.#parts.clock.nowUs();
      setImmediate(this.#onTurn);
    }
    return this.#turnUs;
  }

  #cut(url: string): string {
    return url.slice(this.#parts.basePath.length);
  }

  #hotTarget(path: string): Target | undefined {
    const snapshot = this.#parts.snapshot();
    if (snapshot !== this.#hotSnapshot) {
      this.#hot.clear();
      this.#hotSnapshot = snapshot;
    }
    return this.#hot.get(path);
  }

  #routed(exchange: Exchange, res: HttpResponse, req: HttpRequest): void {
    checkCoding(exchange, req);
    const bodied = req.getHeader('transfer-encoding') !== '' && exchange.method !== 'POST';
    if (bodied) throw invalid('this method takes no body');
    this.#route(exchange, res, req, parsePath(exchange.path));
  }

  #route(exchange: Exchange, res: HttpResponse, req: HttpRequest, route: Route): void {
    if (route.name === 'none' || this.#admin !== ADMIN_ROUTES.has(route.name)) {
      // Health answers on both listeners; everything else on its own.
      if (route.name !== 'live' && route.name !== 'ready') throw new GatewayError('ROUTE_NOT_FOUND', 'Not Found');
    }
    const allow = METHODS[route.name as Exclude<RouteName, 'none'>];
    if (!allow.split(', ').includes(exchange.method)) {
      throw new GatewayError('METHOD_NOT_ALLOWED', 'Method Not Allowed', { allow });
    }
    if (route.name === 'infer') {
      const version = resolve(this.#parts.snapshot(), route.model, route.version);
      const target = this.#parts.target(version.target);
      if (target === null) throw new GatewayError('MODEL_NOT_READY', `model '${route.model}' is not ready`);
      // Of the many spellings that percent-encoding allows only the plain one is worth a place.
      if (this.#hot.size < MOST_HOT_PATHS && !exchange.path.includes('%')) this.#hot.set(exchange.path, target);
      this.#infer(exchange, res, req, target);
      return;
    }
    if (route.name === 'metrics') this.#metrics(exchange, res);
    else if (exchange.method === 'POST') this.#control(exchange, res, req, route);
    else exchange.json(this.#document(route));
  }

  #document(route: Route): unknown {
    const snapshot = this.#parts.snapshot();
    switch (route.name) {
      case 'server':
        return serverMetadata(this.#parts.version);
      case 'live':
        return { live: true };
      case 'ready':
        return this.#ready(snapshot);
      case 'models':
        return modelList(snapshot);
      case 'model':
        return modelMetadata(snapshot, findVersion(snapshot, route.model, route.version));
      case 'modelConfig':
        return modelConfig(findVersion(snapshot, route.model, route.version));
      case 'modelReady':
        return { name: resolve(snapshot, route.model, route.version).model, ready: true };
      default:
        return [];
    }
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
  #control(exchange: Exchange, res: HttpResponse, req: HttpRequest, route: Route): void {
    this.#parts.guard.check(req.getHeader('host'), req.getHeader('origin'));
    const answer = (body: string) => {
      if (route.name !== 'repositoryIndex') throw new GatewayError('ROUTE_NOT_FOUND', 'Not Found');
      exchange.json(repositoryIndex(this.#parts.snapshot(), body));
    };
    if (Number(req.getHeader('content-length')) > CONTROL_BODY_BYTES) {
      exchange.close = true;
      throw tooLarge(CONTROL_BODY_BYTES);
    }
    const body = new ControlBody(this.#parts.gathered, exchange, answer);
    res.onAborted(() => body.abort());
    this.#uploads.began(body);
    res.onData((chunk, last) => body.chunk(chunk, last));
  }

  #infer(exchange: Exchange, res: HttpResponse, req: HttpRequest, target: Target): void {
    const { guard, road, bodyBytes, gathered } = this.#parts;
    guard.check(req.getHeader('host'), req.getHeader('origin'));
    const length = req.getHeader('content-length');
    const totalBytes = length === '' ? -1 : Number(length);
    if (totalBytes < 0) checkCoding(exchange, req);
    if (totalBytes > bodyBytes) {
      exchange.close = true;
      throw tooLarge(bodyBytes);
    }
    const encoding = req.getHeader('content-encoding');
    if (encoding !== '' && encoding !== 'identity') {
      throw new GatewayError('UNSUPPORTED_ENCODING', `content encoding '${encoding.slice(0, 32)}' is not supported`);
    }
    const headBytes = headLength(req.getHeader('inference-header-content-length'), totalBytes);
    const request = road.open(target, exchange, exchange.startedUs);
    const body = new InferBody(road, request, exchange, headBytes, totalBytes, bodyBytes, gathered);
    res.onAborted(() => body.abort());
    this.#uploads.began(body);
    res.onData((chunk, last) => body.chunk(chunk, last));
  }
}

/**
 * How a chunked body was framed is not believed: nothing behind it on this connection is read. uWebSockets.js takes any
 * transfer coding for `chunked`, where another server in front of us may not: only that one is taken.
 * @throws {GatewayError} INVALID_ARGUMENT
 */
function checkCoding(exchange: Exchange, req: HttpRequest): void {
  const coding = req.getHeader('transfer-encoding');
  if (coding === '') return;
  exchange.close = true;
  if (coding !== 'chunked') throw invalid("the only 'Transfer-Encoding' taken is 'chunked'");
}

function headLength(text: string, totalBytes: number): number {
  if (text === '') return -1;
  const value = wholeNumber(text);
  if (value < 0 || value > MOST_HEAD_BYTES) {
    throw invalid('Inference-Header-Content-Length must be a whole number of bytes');
  }
  if (totalBytes >= 0 && value > totalBytes) {
    throw invalid(`Inference-Header-Content-Length is ${value}, the body has only ${totalBytes} bytes`);
  }
  return value;
}

/** The number that up to ten decimal digits spell, or -1. */
function wholeNumber(text: string): number {
  if (text.length > 10) return -1;
  let value = 0;
  for (let i = 0; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 48;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value;
}
