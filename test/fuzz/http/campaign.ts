/** The whole HTTP road under mutated requests: several clients at once, a neighbour beside them, and a reckoning at the end. */

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { HEADS_KEPT } from '../../../src/codec/head.ts';
import { Chance } from '../chance.ts';
import { judge } from './judge.ts';
import { mutate } from './mutate.ts';
import { Neighbour } from './neighbour.ts';
import { encode, type FuzzRequest } from './request.ts';
import { FuzzedServer, type Held } from './served.ts';
import { FUZZED_MODELS, validRequest } from './valid.ts';
import { Connection, type Outcome } from './wire.ts';

/** Clients that send mutated requests at the same time. */
const CLIENTS = 16;

/** Requests before the memory is looked at for the first time: code is compiled and buffers reach their size. */
const WARM_REQUESTS = 400;

/** Longest head that the addon remembers (native/kernels/head_table.h). */
const HEAD_BYTES = 16 * 1024;

/** What the process may grow by after that: every model may remember its fill of long heads, and garbage takes some. */
const MOST_GROWTH_BYTES = FUZZED_MODELS.length * HEADS_KEPT * HEAD_BYTES + 48 * 1024 * 1024;

/** How long and from which seed. */
export interface CampaignOptions {
  readonly seed: number;
  readonly seconds: number;
  /** Requests at most. */
  readonly requests: number;
  /** Where the request of a finding is written. */
  readonly folder: string;
}

/** Something that must not be. `file` holds the bytes that were sent; empty where no single request is to blame. */
export interface Finding {
  readonly iteration: number;
  readonly fault: string;
  readonly files: readonly string[];
}

/** How a campaign went. */
export interface CampaignReport {
  readonly requests: number;
  readonly neighbours: number;
  /** Outcomes by error code; by status where the answer names none, `none` where none came. */
  readonly outcomes: ReadonlyMap<string, number>;
  readonly grownBytes: number;
  readonly findings: readonly Finding[];
}

/** Runs one campaign against a server of its own. */
export async function runCampaign(options: CampaignOptions): Promise<CampaignReport> {
  const server = await FuzzedServer.start();
  const campaign = new Campaign(server, options);
  try {
    return await campaign.run();
  } finally {
    await server.stop();
  }
}

class Campaign {
  readonly #server: FuzzedServer;
  readonly #options: CampaignOptions;
  readonly #findings: Finding[] = [];
  readonly #outcomes = new Map<string, number>();
  readonly #underWay = new Map<number, Buffer>();
  readonly #neighbour: Neighbour;
  #iterations = 0;
  #untilMs = 0;
  #busy = 0;

  constructor(server: FuzzedServer, options: CampaignOptions) {
    this.#server = server;
    this.#options = options;
    this.#neighbour = new Neighbour(server.port);
  }

  async run(): Promise<CampaignReport> {
    const before = await this.#server.held();
    await this.#send(Math.min(WARM_REQUESTS, this.#options.requests));
    const warm = this.#server.death === null ? await this.#server.held() : before;
    await this.#send(this.#options.requests);
    const grownBytes = await this.#reckon(before, warm);
    return {
      requests: this.#iterations,
      neighbours: this.#neighbour.asked,
      outcomes: this.#outcomes,
      grownBytes,
      findings: this.#findings,
    };
  }

  /** Until so many requests have been sent in all, the time is over, or something is found. */
  async #send(requests: number): Promise<void> {
    if (this.#untilMs === 0) this.#untilMs = performance.now() + this.#options.seconds * 1000;
    const clients = Array.from({ length: CLIENTS }, () => this.#client(requests));
    await Promise.all([...clients, this.#beside()]);
  }

  async #client(requests: number): Promise<void> {
    const connection = new Connection(this.#server.port);
    this.#busy++;
    while (this.#iterations < requests && performance.now() < this.#untilMs && this.#findings.length === 0) {
      await this.#iterate(connection, this.#iterations++);
    }
    this.#busy--;
    connection.drop();
  }

  async #iterate(connection: Connection, iteration: number): Promise<void> {
    const request = requestOf(this.#options.seed, iteration);
    const bytes = encode(request);
    this.#underWay.set(iteration, bytes);
    try {
      const outcome = await exchange(connection, request, bytes);
      for (const { status, headers } of outcome.answers) this.#count(headers.get('x-error-code') ?? `${status}`);
      if (outcome.answers.length === 0) this.#count('none');
      const fault = judge(request, outcome);
      if (fault !== null) this.#find(iteration, fault, [iteration]);
    } catch (error) {
      // A connection that is refused: the server has ended, and any request under way may have been the reason.
      const all = this.#server.death !== null ? [...this.#underWay.keys()] : [iteration];
      this.#find(iteration, this.#server.death ?? String(error), all);
    }
    this.#underWay.delete(iteration);
  }

  /** The neighbour asks as long as the clients do. */
  async #beside(): Promise<void> {
    while (this.#busy > 0 && this.#findings.length === 0) {
      const fault = await this.#neighbour.ask().catch((error: unknown) => this.#server.death ?? String(error));
      if (fault !== null) this.#find(this.#iterations, fault, [...this.#underWay.keys()]);
    }
    this.#neighbour.drop();
  }

  async #reckon(before: Held, warm: Held): Promise<number> {
    if (this.#server.death !== null) return 0;
    const left = await this.#server.leftOver(before);
    if (left !== null) this.#find(-1, left, []);
    const grownBytes = (await this.#server.held()).residentBytes - warm.residentBytes;
    if (grownBytes > MOST_GROWTH_BYTES) this.#find(-1, `the process grew by ${grownBytes} bytes`, []);
    const end = await this.#server.stop();
    if (end !== null) this.#find(-1, end, []);
    return grownBytes;
  }

  #count(outcome: string): void {
    this.#outcomes.set(outcome, (this.#outcomes.get(outcome) ?? 0) + 1);
  }

  #find(iteration: number, fault: string, iterations: readonly number[]): void {
    const { folder, seed } = this.#options;
    mkdirSync(folder, { recursive: true });
    const files = iterations.map((number) => {
      const file = join(folder, `${seed}-${number}.http`);
      writeFileSync(file, this.#underWay.get(number) ?? encode(requestOf(seed, number)));
      return file;
    });
    this.#findings.push({ iteration, fault, files });
  }
}

/** The request of one iteration: always the same for a seed. */
export function requestOf(seed: number, iteration: number): FuzzRequest {
  const chance = new Chance(seed, iteration);
  const request = validRequest(chance);
  mutate(request, chance);
  return request;
}

async function exchange(connection: Connection, request: FuzzRequest, bytes: Buffer): Promise<Outcome> {
  if (!request.sound) return connection.provoke(bytes, request.method, request.leavesAfter);
  const outcome = await connection.ask(bytes, request.method);
  // Whoever asks for the end of the connection gets it, without a word in the answer.
  if (request.headers.some(([name]) => name === 'Connection')) connection.drop();
  return outcome;
}
