/** The two listeners together: both ports are taken or neither, and where they are to be found. */

import type { Config } from '../config/schema.ts';
import { HttpServer, type ServerParts } from './server.ts';

/** Where listeners that have their ports are to be found. */
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

/** Inference and admin. */
export class Listeners {
  readonly inference: HttpServer;
  readonly admin: HttpServer;

  constructor(parts: ServerParts) {
    this.inference = new HttpServer(parts, 'inference');
    this.admin = new HttpServer(parts, 'admin');
  }

  /**
   * Takes both ports; 0 = any free one.
   * @throws {PortTakenError} after which none is taken
   */
  async listen(at: Pick<Config, 'host' | 'port' | 'adminHost' | 'adminPort'>): Promise<Listening> {
    const { host, adminHost } = at;
    const port = await this.inference.listen(host, at.port);
    if (port === null) throw new PortTakenError(host, at.port);
    const adminPort = await this.admin.listen(adminHost, at.adminPort);
    if (adminPort === null) {
      this.inference.close();
      throw new PortTakenError(adminHost, at.adminPort);
    }
    return { inferenceUrl: url(host, port), adminUrl: url(adminHost, adminPort), port, adminPort };
  }

  /** Open connections. */
  get connections(): { readonly inference: number; readonly admin: number } {
    return { inference: this.inference.connections, admin: this.admin.connections };
  }

  /** Connections closed unanswered because there were too many. */
  get surplusConnections(): number {
    return this.inference.surplusConnections + this.admin.surplusConnections;
  }

  /** Closes what is left. */
  close(): void {
    this.inference.close();
    this.admin.close();
  }
}

function url(host: string, port: number): string {
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}
