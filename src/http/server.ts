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
import type { ModelVersion, Snapshot } from '../core/model.ts';
import { ANONYMOUS, type Identify, MOST_TENANT_CHARACTERS, type Principal } from '../core/principal.ts';
import type { SchedulerView } from '../core/scheduling.ts';
import type { InferRoad } from '../pipeline/infer.ts';
import type { Target } from '../pipeline/target.ts';
import { resolve } from '../routing/resolve.ts';
import { type GatherLedger, tooLarge } from './body.ts';
import { answerCoding, requestCoding } from './coding.ts';
import { Control } from './control.ts';
import { headerTimeoutUs } from './deadline.ts';
import { Exchange, type OnAnswer, Wire } from './exchange.ts';
import { checkFraming, headLength, refuseRepeated } from './framing.ts';
import { onFreePort } from './free-port.ts';
import type { HostGuard } from './guard.ts';
import { RequestHeaders } from './headers.ts';
import { InferBody } from './infer-body.ts';
import type { Loans } from './loans.ts';
import { isImageType, pictureWishes } from './media-type.ts';
import type { ConnectionBounds } from './open-files.ts';
import { parsePath, type Route } from './path.ts';
import { ROUTES, type RouteSpec } from './routes.ts';
import { continueTrace } from './trace.ts';
import { Turns } from './turn.ts';
import { type UploadLimits, UploadWatch } from './uploads.ts';

/** Paths remembered with their target: the registry's, as they are spelt plainly, so clients cannot grow it. */
const MOST_HOT_PATHS = 4096;

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
  readonly loans: Loans;
  /** Most open ones of each listener. */
  readonly connections: ConnectionBounds;
  readonly snapshot: () => Snapshot;
  /** The data plane's object of a READY version. */
  readonly target: (id: number) => Target | null;
  /** What the scheduler knows of a version; null where that is not in service. */
  readonly view: (version: ModelVersion) => SchedulerView | null;
  readonly draining: () => boolean;
  /** Who is calling; null = nobody has a name. */
  readonly identify: Identify | null;
  /** Prometheus text and its content type. */
  readonly metrics: () => Promise<{ type: string; text: string }>;
  /** The picture of everything, for the admin listener. */
  readonly debug: () => unknown;
  readonly onAnswer: OnAnswer;
}

/** One listener. */
export class HttpServer {
  readonly #parts: ServerParts;
  readonly #listener: 'inference' | 'admin';
  readonly #control: Control;
  readonly #app: TemplatedApp;
  readonly #wire: Wire;
  readonly #headers = new RequestHeaders();
  /** Who sent the request that is being read: valid until the next one, as the headers are. */
  #principal = ANONYMOUS;
  /** Infer paths seen, with their targets, for the snapshot they were resolved in. */
  readonly #hot = new Map<string, Target>();
  #hotSnapshot: Snapshot | null = null;
  #socket: Parameters<typeof us_listen_socket_close>[0] | null = null;
  #connections = 0;
  /** Connections closed unanswered because there were too many. */
  surplusConnections = 0;
  readonly #uploads: UploadWatch;
  readonly #turns: Turns;

  constructor(parts: ServerParts, listener: 'inference' | 'admin') {
    this.#parts = parts;
    this.#listener = listener;
    this.#wire = new Wire(parts.onAnswer);
    this.#uploads = new UploadWatch(parts.clock, parts);
    this.#turns = new Turns(
      parts.clock,
      () => this.#uploads.turned(),
      () => listener === 'admin' || parts.road.turned(),
    );
    this.#control = new Control(parts, this.#uploads);
    // Missing in its types: leaves the product's name out of answers.
    (uws as unknown as { _cfg: (option: string) => void })._cfg('silent');
    this.#app = App();
    this.#app.filter((res, count) => this.#count(res, count));
    this.#app.any('/*', (res, req) => this.#request(res, req));
  }

  /** Takes the port, exclusively; 0 = any free one. @returns the port, or null where somebody has it */
  listen(host: string, port: number): Promise<number | null> {
    return port === 0 ? onFreePort(host, (free) => this.#take(host, free)) : this.#take(host, port);
  }

  #take(host: string, port: number): Promise<number | null> {
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
    if (change > 0 && this.#connections > this.#parts.connections[this.#listener]) {
      this.surplusConnections++;
      res.close();
    }
  }

  #request(res: HttpResponse, req: HttpRequest): void {
    const method = req.getCaseSensitiveMethod();
    const url = req.getUrl();
    const path = this.#parts.basePath !== '' && url.startsWith(this.#parts.basePath) ? this.#cut(url) : url;
    const headers = this.#headers;
    headers.read(req);
    const exchange = new Exchange(this.#wire, res, method, path, headers.requestId, this.#turns.arrivalUs());
    exchange.close = this.#parts.draining();
    try {
      if (headers.traceparent !== '') {
        exchange.trace = continueTrace(headers.traceparent);
        exchange.tracestate = headers.tracestate;
      }
      if (headers.repeated !== '') refuseRepeated(exchange, headers.repeated);
      if (this.#parts.identify !== null) this.#principal = identified(this.#parts.identify, req);
      const hot = method === 'POST' ? this.#hotTarget(path) : undefined;
      if (hot !== undefined) this.#infer(exchange, res, hot);
      else this.#routed(exchange, res);
    } catch (error) {
      exchange.fail(asGatewayError(error));
    }
    if (exchange.deferred) res.onAborted(() => exchange.abort());
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

  #routed(exchange: Exchange, res: HttpResponse): void {
    const coding = this.#headers.transferEncoding;
    checkFraming(exchange, coding);
    if (coding !== '' && exchange.method !== 'POST') throw invalid('this method takes no body');
    this.#route(exchange, res, parsePath(exchange.path));
  }

  #route(exchange: Exchange, res: HttpResponse, route: Route): void {
    if (route.name === 'notOffered' && this.#listener === 'inference') {
      throw new GatewayError('NOT_IMPLEMENTED', 'this part of the Triton extensions is not offered');
    }
    const spec: RouteSpec | null = route.name === 'none' || route.name === 'notOffered' ? null : ROUTES[route.name];
    if (spec === null || (spec.listener !== 'both' && spec.listener !== this.#listener)) {
      throw new GatewayError('ROUTE_NOT_FOUND', 'Not Found');
    }
    if (!(spec.methods as readonly string[]).includes(exchange.method)) {
      throw new GatewayError('METHOD_NOT_ALLOWED', 'Method Not Allowed', { allow: spec.methods.join(', ') });
    }
    if (route.name === 'infer') {
      const version = resolve(this.#parts.snapshot(), route.model, route.version);
      const target = this.#parts.target(version.target);
      if (target === null) throw new GatewayError('MODEL_NOT_READY', `model '${route.model}' is not ready`);
      // Of the many spellings that percent-encoding allows only the plain one is worth a place.
      if (this.#hot.size < MOST_HOT_PATHS && !exchange.path.includes('%')) this.#hot.set(exchange.path, target);
      this.#infer(exchange, res, target);
      return;
    }
    this.#control.answer(exchange, res, this.#headers, route);
  }

  #infer(exchange: Exchange, res: HttpResponse, target: Target): void {
    const { guard, road, bodyBytes, gathered, loans } = this.#parts;
    const headers = this.#headers;
    guard.check(headers.host, headers.origin);
    const totalBytes = headers.contentLength === '' ? -1 : Number(headers.contentLength);
    checkFraming(exchange, headers.transferEncoding);
    if (totalBytes > bodyBytes) {
      exchange.close = true;
      throw tooLarge(bodyBytes);
    }
    const coding = requestCoding(headers.contentEncoding);
    exchange.accepts = answerCoding(headers.acceptEncoding);
    // Both lengths speak of the body as it is before it is packed, or of nothing that we know yet.
    const given = headLength(headers.headLength, coding === null ? totalBytes : -1);
    // Who says where the JSON ends sends JSON, whatever its type.
    const { contentType } = headers;
    const picture = given < 0 && isImageType(contentType) ? pictureWishes(contentType, headers.query, target) : null;
    // A picture is a body without a head.
    const headBytes = picture === null ? given : 0;
    const timeoutUs = headerTimeoutUs(headers.timeoutMs, headers.envoyTimeoutMs, headers.grpcTimeout);
    const tensorBytes = headBytes > 0 && totalBytes > 0 ? totalBytes - headBytes : 0;
    const { tenant } = this.#principal;
    const request = road.open(target, exchange, exchange.startedUs, timeoutUs, tenant, tensorBytes, picture);
    exchange.infer = request;
    const body = new InferBody(road, request, exchange, headBytes, totalBytes, coding, bodyBytes, gathered, loans);
    res.onAborted(() => body.abort());
    this.#uploads.began(body);
    res.onData((chunk, last) => body.chunk(chunk, last));
  }
}

/** @throws {GatewayError} INVALID_ARGUMENT where the tenant's name is too long */
function identified(identify: Identify, req: HttpRequest): Principal {
  const principal = identify((name) => req.getHeader(name));
  if (principal.tenant.length <= MOST_TENANT_CHARACTERS) return principal;
  throw invalid(`the name of the tenant is longer than ${MOST_TENANT_CHARACTERS} characters`);
}
