/** Why a load cannot be made or reported, as one line for whoever asked. What a server says in it is made harmless. */

/** What went wrong, for the choice of an exit code. */
export type LoadErrorKind =
  /** No connection, or no answer in time. */
  | 'unreachable'
  /** Something answers that is no Open Inference server. */
  | 'not-open-inference'
  /** The server wants a token, or another one. */
  | 'denied'
  | 'unknown-model'
  /** The model is there and does not serve. */
  | 'not-ready'
  /** Server and model are fine, and what is asked cannot be done with them. */
  | 'unsuitable'
  /** A file that was to be read is missing or wrong. */
  | 'bad-file'
  /** A file could not be written. */
  | 'cannot-write';

/** A failure of a load; its message is one line and complete. */
export class LoadError extends Error {
  readonly kind: LoadErrorKind;

  constructor(kind: LoadErrorKind, message: string) {
    super(message);
    this.name = 'LoadError';
    this.kind = kind;
  }
}

/** Characters of a foreign text that are shown: a server must not fill a screen. */
const SHOWN_CHARACTERS = 200;

/** A foreign text on one line, without what a terminal would obey (control characters, direction marks). */
export function oneLine(text: string, characters = SHOWN_CHARACTERS): string {
  const plain = text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ').trim();
  return plain.length > characters ? `${plain.slice(0, characters)}...` : plain;
}

const REASONS: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EFBIG: 'the file would be too large',
  EDQUOT: 'the quota is used up',
  EISDIR: 'it is a folder',
  ENOENT: 'there is no such file or folder',
  ENOSPC: 'no space left on the device',
  ENOTDIR: 'a part of its path is no folder',
  EPERM: 'not permitted',
  EROFS: 'the file system is read-only',
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'the connection was reset',
  EHOSTUNREACH: 'no route to it',
  ENETUNREACH: 'its network cannot be reached',
  ENOTFOUND: 'there is no such host',
  EAI_AGAIN: 'its name cannot be looked up now',
};

/** What an error of the operating system means, with its code. */
export function reasonOf(error: unknown): string {
  const code = codeOf(error);
  if (code === '') return oneLine(error instanceof Error ? error.message : String(error));
  return `${REASONS[code] ?? 'it failed'} (${code})`;
}

/** The code of an error of the operating system; empty where it has none. */
export function codeOf(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : '';
}
