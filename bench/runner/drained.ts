/**
 * A closed loop that ends with the last answer, not with the clock: where an answer takes a good part of a slice, work that
 * was begun and not counted would make every request look dearer. For some hundred requests a second; beyond that, wrk.
 */

import { Agent, request } from 'node:http';
import type { Load, Slice } from './wrk.ts';

/** Longest wait for one answer, milliseconds. */
const ANSWER_MS = 60_000;

/** Load for `seconds`, and until all that was sent is answered. @throws where an answer was no 2xx or a socket failed */
export async function drainedSlice(url: string, load: Load, connections: number, seconds: number): Promise<Slice> {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  const startedMs = performance.now();
  const endMs = startedMs + seconds * 1000;
  const times: number[] = [];
  const one = async () => {
    while (performance.now() < endMs) {
      const sentMs = performance.now();
      await answered(url, load, agent);
      times.push((performance.now() - sentMs) * 1000);
    }
  };
  try {
    await Promise.all(Array.from({ length: connections }, one));
  } finally {
    agent.destroy();
  }
  const tookS = (performance.now() - startedMs) / 1000;
  times.sort((a, b) => a - b);
  return {
    requests: times.length,
    perSecond: times.length / tookS,
    p50Us: quantile(times, 0.5),
    p99Us: quantile(times, 0.99),
  };
}

function quantile(sorted: readonly number[], q: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN;
}

function answered(url: string, { path, body, headers }: Load, agent: Agent): Promise<void> {
  return new Promise((resolve, reject) => {
    const sent = request(url + path, { method: 'POST', agent, headers, timeout: ANSWER_MS }, (reply) => {
      reply.resume();
      reply.once('error', reject);
      reply.once('end', () => {
        const good = reply.statusCode !== undefined && reply.statusCode >= 200 && reply.statusCode < 300;
        if (good) resolve();
        else reject(new Error(`${path} answers ${reply.statusCode}`));
      });
    });
    sent.once('timeout', () => sent.destroy(new Error(`${path} does not answer`)));
    sent.once('error', reject);
    sent.end(body);
  });
}
