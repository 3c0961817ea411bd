/** `penstock serve`: configuration, gateway, what is printed at start, and the signals that end it. */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { loadConfig } from '../config/load.ts';
import type { Config } from '../config/schema.ts';
import { readSupervision, type Supervision } from '../config/supervision.ts';
import { systemClock } from '../core/clock.ts';
import { Timeline } from '../core/timeline.ts';
import type { GatewayOptions } from '../gateway/options.ts';
import type { Gateway } from '../gateway.ts';
import type { Listening } from '../http/listeners.ts';
import { createLogger, type Logger } from '../logging/logger.ts';
import { NativeAddonError } from '../native/load.ts';
import { reportMistakes } from './check.ts';
import { EXIT, SAME_SIGNAL_MS } from './exit.ts';
import { portHolder } from './port-holder.ts';
import { type Ports, supervise } from './supervise.ts';

/** Has a parent process watch over the server. */
const SUPERVISE_FLAG = '--supervise';

/**
 * Serves until a signal comes, here or in a child that this process watches over.
 * @param options seams of the gateway, for tests. @returns the exit code
 */
export async function serve(args: readonly string[], options: GatewayOptions = {}): Promise<number> {
  if (args.includes(SUPERVISE_FLAG)) return supervise(args.filter((arg) => arg !== SUPERVISE_FLAG));
  const timeline = new Timeline(systemClock);
  timeline.mark('process');
  let config: Config;
  let supervision: Supervision | null;
  try {
    config = loadConfig({ args, env: process.env });
    supervision = readSupervision(process.env);
  } catch (error) {
    return reportMistakes(error);
  }
  timeline.mark('config');
  // uWebSockets.js reads it when it is loaded, which is why the gateway is imported only now.
  process.env.UWS_HTTP_MAX_HEADERS_SIZE = String(config.limits.headerBytes);
  const { Gateway: Server } = await import('../gateway.ts');
  const { PortTakenError } = await import('../http/listeners.ts');
  timeline.mark('modules');
  const log = createLogger(config.log);
  try {
    const gateway = new Server(config, log, { ...options, supervision, timeline });
    const stopped = untilStopped(gateway, config, log, supervision !== null);
    const listening = await gateway.start();
    if (supervision !== null) tellSupervisor(listening);
    announce(config, listening);
    gateway.settled().then(
      () => announceModels(gateway, config, listening),
      () => process.stderr.write(`penstock: the models folder '${config.models}' cannot be read\n`),
    );
    return await stopped;
  } catch (error) {
    if (error instanceof NativeAddonError) {
      process.stderr.write(`penstock: ${error.message}\n`);
      return EXIT.config;
    }
    if (!(error instanceof PortTakenError)) throw error;
    const holder = portHolder(error.port);
    process.stderr.write(
      `penstock: ${error.message}${holder === '' ? '' : ` by ${holder}`}; choose another with --port\n`,
    );
    // Worker threads wait for work that will never come; nothing runs on them yet.
    process.exit(EXIT.unavailable);
  }
}

/** The first signal drains; another one, or an overrun, ends the process at once. */
function untilStopped(gateway: Gateway, config: Config, log: Logger, supervised: boolean): Promise<number> {
  return new Promise((resolve) => {
    let firstMs = -1;
    const onSignal = async (signal: string): Promise<void> => {
      const nowMs = performance.now();
      if (firstMs >= 0) {
        if (nowMs - firstMs > SAME_SIGNAL_MS) await endNow(log, `a second ${signal}`);
        return;
      }
      firstMs = nowMs;
      log.info({ signal }, 'draining');
      if (!(await gateway.stop(config.drainTimeoutS * 1000))) return endNow(log, 'the drain time is over');
      log.info({}, 'stopped');
      // A write that nobody reads would keep the process alive; nothing else runs any more.
      if (!(await log.flush())) process.exit(EXIT.ok);
      resolve(EXIT.ok);
    };
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(signal, onSignal);
    if (supervised) whenAbandoned(() => void onSignal('end of the supervisor'));
  });
}

/** A supervisor that is killed leaves us with the ports and nobody who could end us: its end is ours. */
function whenAbandoned(end: () => void): void {
  process.once('disconnect', end);
  // Listening must not keep the process alive.
  process.channel?.unref();
  if (!process.connected) end();
}

/** exit() while ONNX Runtime runs would abort with a core dump; a kill is what is meant. */
async function endNow(log: Logger, reason: string): Promise<void> {
  log.error({ reason }, 'ended before everything accepted was answered');
  await log.flush();
  process.kill(process.pid, 'SIGKILL');
}

function tellSupervisor({ port, adminPort }: Listening): void {
  const ports: Ports = { port, adminPort };
  // A supervisor that has just died is whenAbandoned's matter.
  process.send?.(ports, undefined, undefined, () => undefined);
}

function announce(config: Config, { inferenceUrl, adminUrl }: Listening): void {
  // It is for people: a full disk, or nobody who reads it, ends no server.
  process.stdout.on('error', () => undefined);
  process.stdout.write(`penstock serves ${config.models}/ on ${inferenceUrl} (admin ${adminUrl})\n`);
}

function announceModels(gateway: Gateway, config: Config, { inferenceUrl }: Listening): void {
  const versions = [...gateway.snapshot.models.values()].flatMap((model) => model.versions);
  for (const { model, version, state, reason, facts } of versions) {
    const why = reason === '' ? (facts?.passedOver ?? '') : reason;
    const on = facts === null || (facts.provider === 'cpu' && why === '') ? '' : ` on ${facts.provider}`;
    process.stdout.write(`  ${model} ${version}: ${state}${on}${why === '' ? '' : ` (${why})`}\n`);
  }
  const ready = versions.findLast((v) => v.state === 'READY');
  if (ready === undefined) return;
  const golden = join(config.models, ready.model, ready.version, 'golden/00.request.json');
  const url = `${inferenceUrl}${config.basePath}/v2/models/${ready.model}`;
  process.stdout.write(`try: curl ${existsSync(golden) ? `-d @${golden} ${url}/infer` : url}\n`);
}
