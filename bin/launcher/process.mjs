/** Child processes of the launcher: signals reach them, their end becomes the launcher's. No child outlives a signal. */

import { spawn } from 'node:child_process';
import { constants } from 'node:os';

const FORWARDED = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR2'];

/** A Ctrl-C comes from the terminal and again from npm: repeats within this time are the same one. */
const REPEAT_MS = 1_000;

/** A failure that one line explains. `exitCode` follows sysexits.h. */
export class LaunchError extends Error {
  constructor(message, exitCode = 78) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** Runs a program with the launcher's own terminal. Resolves with its exit code (128 + n where signal n ended it). */
export function run(program, args, options = {}) {
  return follow(spawn(program, args, { stdio: 'inherit', ...options })).then(orDie);
}

/** Runs a program and keeps what it prints. Resolves with `{ code, output }`. */
export async function capture(program, args, options = {}) {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
  const chunks = [];
  child.stdout.on('data', (chunk) => chunks.push(chunk));
  child.stderr.on('data', (chunk) => chunks.push(chunk));
  const end = await follow(child);
  if (end.asked) process.exit(end.code);
  return { code: end.code, output: Buffer.concat(chunks).toString() };
}

function follow(child) {
  return new Promise((resolve, reject) => {
    const state = { asked: false, lastMs: Number.NEGATIVE_INFINITY };
    const forward = (signal) => {
      const repeated = Date.now() - state.lastMs < REPEAT_MS;
      if (!repeated) state.lastMs = Date.now();
      state.asked = true;
      if (!repeated) child.kill(signal);
    };
    for (const signal of FORWARDED) process.on(signal, forward);
    const done = () => {
      for (const signal of FORWARDED) process.removeListener(signal, forward);
    };
    child.once('error', (error) => {
      done();
      reject(new LaunchError(`cannot run ${child.spawnfile ?? 'a program'}: ${error.message}`));
    });
    child.once('close', (code, signal) => {
      done();
      resolve({ code: code ?? 128 + constants.signals[signal], signal, asked: state.asked });
    });
  });
}

/** Ends the way the child ended, so that a shell sees the same: a signal stays a signal. */
function orDie({ code, signal }) {
  if (signal !== null) process.kill(process.pid, signal);
  return code;
}
