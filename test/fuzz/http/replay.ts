/** One request of a finding once more, against a server of its own: what comes back is printed. */

import { FuzzedServer } from './served.ts';
import { Connection } from './wire.ts';

/** Sends the bytes as they are. @returns 1 where the server did not survive it, or answered no HTTP */
export async function replay(bytes: Buffer): Promise<number> {
  const server = await FuzzedServer.start();
  const before = await server.held();
  const connection = new Connection(server.port);
  const method = bytes.toString('latin1', 0, 16).split(' ')[0] as string;
  const outcome = await connection.provoke(bytes, method, -1).catch((error: unknown) => String(error));
  if (typeof outcome === 'string') console.log(outcome);
  else {
    for (const { status, headers, body } of outcome.answers)
      console.log(status, Object.fromEntries(headers), `${body}`);
    console.log(`${outcome.answers.length} answers, then ${outcome.closed ? 'closed' : 'nothing'} ${outcome.rest}`);
  }
  const left = server.death ?? (await server.leftOver(before));
  const end = await server.stop();
  for (const fault of [left, end]) if (fault !== null) console.log(fault);
  return typeof outcome === 'string' || left !== null || end !== null ? 1 : 0;
}
