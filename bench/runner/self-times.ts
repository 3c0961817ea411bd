/**
 * Where a CPU profile spent itself: self time by function, of the time that the thread was not idle. Native calls count with
 * the function that makes them: V8 knows them by the address of their wrapper, which all functions of an addon share.
 */

/** The parts of V8's .cpuprofile that are read here. */
export interface Profile {
  readonly nodes: readonly {
    readonly id: number;
    readonly children?: readonly number[];
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  }[];
  readonly samples: readonly number[];
}

/** A function and its part of the busy time. */
export interface SelfTime {
  readonly where: string;
  readonly share: number;
}

/** The `top` busiest functions, and the part of all samples in which the thread did anything. */
export function selfTimes({ nodes, samples }: Profile, top: number): { busy: number; functions: SelfTime[] } {
  const names = namesOf(nodes);
  const counts = new Map<string, number>();
  let busy = 0;
  for (const id of samples) {
    const name = names.get(id) ?? '';
    if (name.startsWith('(idle)')) continue;
    busy++;
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  const sorted = [...counts].sort((a, b) => b[1] - a[1]).slice(0, top);
  const functions = sorted.map(([where, count]) => ({ where, share: count / busy }));
  return { busy: samples.length === 0 ? 0 : busy / samples.length, functions };
}

/** Callers stand before what they call. */
function namesOf(nodes: Profile['nodes']): Map<number, string> {
  const names = new Map<number, string>();
  const callers = new Map<number, string>();
  for (const { id, children, callFrame } of nodes) {
    const native = callFrame.url === '' && !callFrame.functionName.startsWith('(');
    const name = (native ? callers.get(id) : undefined) ?? nameOf(callFrame);
    names.set(id, name);
    for (const child of children ?? []) callers.set(child, name);
  }
  return names;
}

function nameOf({ functionName, url, lineNumber }: Profile['nodes'][number]['callFrame']): string {
  const where = url === '' ? '' : ` ${url.split('/').slice(-2).join('/')}:${lineNumber + 1}`;
  return `${functionName || '(anonymous)'}${where}`;
}
