/** What the machine of the load itself ran out of when a connection could not be opened: nothing that the server did. */

/** Files of the process, files of the machine, and ports of an address. */
const SHORTAGES = new Set(['EMFILE', 'ENFILE', 'EADDRNOTAVAIL']);

/** @returns the code of the shortage, empty where it was none. A name's addresses must all have failed for want of the same kind. */
export function shortageOf(error: Error): string {
  const errors: readonly unknown[] = error instanceof AggregateError ? error.errors : [error];
  const codes = errors.map((one) => (one as NodeJS.ErrnoException).code ?? '');
  return codes.every((code) => SHORTAGES.has(code)) ? (codes[0] ?? '') : '';
}

/** Why a run with this shortage says nothing. */
export function shortageReason(code: string): string {
  return `this machine ran out of files or ports (${code})`;
}
