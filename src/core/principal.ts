/** Who is calling, as far as anything behind the wire needs to know. */

/** Most characters of a tenant's name: it is kept with every request that waits, and shown. */
export const MOST_TENANT_CHARACTERS = 128;

/** A caller. */
export interface Principal {
  /** Whose share of a model its requests are taken from; empty for everybody without a name. */
  readonly tenant: string;
}

/** Everybody without a name: one tenant, together. */
export const ANONYMOUS: Principal = Object.freeze({ tenant: '' });

/**
 * Tells who sent a request.
 * @param header the value of a header by its lower-case name, empty where the request has none; valid during the call only
 */
export type Identify = (header: (name: string) => string) => Principal;
