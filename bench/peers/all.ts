/** Every rival by its name, in the order of the tables. */

import { bentoml } from './bentoml.ts';
import { fastifyDefault, fastifyOne } from './fastify.ts';
import { litserve } from './litserve.ts';
import { mlserver } from './mlserver.ts';
import { mosec } from './mosec.ts';
import type { Peer } from './peer.ts';
import { triton } from './triton.ts';

/** The rivals. */
export const PEERS: readonly Peer[] = [fastifyOne, fastifyDefault, mosec, triton, mlserver, bentoml, litserve];

/** Those named, or all. @throws RangeError where there is none of a name */
export function peersNamed(names: readonly string[]): readonly Peer[] {
  const unknown = names.find((name) => !PEERS.some((peer) => peer.name === name));
  if (unknown !== undefined) {
    throw new RangeError(`there is no rival '${unknown}'; there are ${PEERS.map(({ name }) => name).join(', ')}`);
  }
  return names.length === 0 ? PEERS : PEERS.filter(({ name }) => names.includes(name));
}
