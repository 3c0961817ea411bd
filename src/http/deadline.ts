/** The time that a caller's headers give a request: ours, a proxy's and gRPC's, whichever is shortest. */

/** Microseconds of one unit of `grpc-timeout` (gRPC over HTTP/2, "Timeout"). */
const UNIT_US: Readonly<Record<string, number>> = { H: 3.6e9, M: 6e7, S: 1e6, m: 1e3, u: 1, n: 1e-3 };

/**
 * The shortest time given, microseconds from the request's first byte; 0 where none is. What is malformed is passed over,
 * and so is 0: both are how callers say that they set none.
 * @param ownMs `X-Request-Timeout-Ms`. @param envoyMs `x-envoy-expected-rq-timeout-ms`. @param grpc `grpc-timeout`.
 */
export function headerTimeoutUs(ownMs: string, envoyMs: string, grpc: string): number {
  if (ownMs === '' && envoyMs === '' && grpc === '') return 0;
  let least = 0;
  for (const us of [milliseconds(ownMs), milliseconds(envoyMs), grpcTimeout(grpc)]) {
    if (us > 0 && (least === 0 || us < least)) least = us;
  }
  return least;
}

function milliseconds(text: string): number {
  return /^\d{1,10}$/.test(text) ? Number(text) * 1000 : 0;
}

/** One to eight digits and a unit; less than a microsecond counts as one. */
function grpcTimeout(text: string): number {
  const match = /^(\d{1,8})([HMSmun])$/.exec(text);
  return match === null ? 0 : Math.ceil(Number(match[1]) * (UNIT_US[match[2] as string] as number));
}
