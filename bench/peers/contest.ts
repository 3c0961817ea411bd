/**
 * Ours and the rivals on one workload: each is started, has its answers checked and is halted; then rounds in which one at
 * a time goes on, is warmed and measured. A halted process uses no core, so no rival is timed while another runs.
 */

import { drainedSlice } from '../runner/drained.ts';
import { signalTree, treeBytes, treeCpuUs } from '../runner/group.ts';
import type { Slice } from '../runner/wrk.ts';
import { Wrk } from '../runner/wrk.ts';
import { checkAnswers, type Known, knownRows } from './check.ts';
import type { Form, Peer, Subject } from './peer.ts';
import { penstock } from './penstock.ts';
import { type RunningPeer, startPeer } from './start.ts';
import { loadCores, subjectOf, type Workload } from './subjects.ts';

/** A rival without batching, on a busy machine, is slow and not wrong. */
const ANSWER_S = 30;
/** After a halt, before the measured slice, seconds. */
const WARM_S = 0.3;
/** From the end of a slice to the halt, so that what the generator left under way is done with. */
const SETTLE_MS = 150;

/** A slice of one server alone. */
export interface Sample extends Slice {
  /** Per request, of all its processes. */
  readonly cpuUs: number;
  /** Of all its processes, after the slice. */
  readonly bytes: number;
}

/** A rival's slice, and ours before and after it. */
export interface Meeting {
  readonly theirs: Sample;
  readonly ours: readonly [Sample, Sample];
}

/** How a rival did. */
export interface Standing {
  readonly name: string;
  readonly form: Form;
  readonly meetings: readonly Meeting[];
  /** Why it was not measured, or not to the end; empty for nothing. */
  readonly fault: string;
}

interface Entrant {
  readonly subject: Subject;
  readonly running: RunningPeer;
  readonly slice: (seconds: number) => Promise<Slice>;
  readonly warm: () => Promise<unknown>;
  dispose(): Promise<void>;
}

interface Rival {
  readonly peer: Peer;
  readonly subject: Subject;
  entrant: Entrant | null;
  readonly meetings: Meeting[];
  fault: string;
}

/** Measures `rounds` slices of each. @throws where our own server fails */
export async function contest(
  workload: Workload,
  models: string,
  peers: readonly Peer[],
  { rounds, sliceS }: { readonly rounds: number; readonly sliceS: number },
): Promise<Standing[]> {
  const rivals = peers.flatMap((peer): Rival[] => {
    const subject = subjectOf(workload, models, peer.forms);
    return subject === null ? [] : [{ peer, subject, entrant: null, meetings: [], fault: '' }];
  });
  const subject = subjectOf(workload, models, penstock.forms) as Subject;
  const known = await knownRows(subject, workload.connections);
  const ours = await enter(penstock, subject, workload, known);
  try {
    for (const rival of rivals) {
      await withFault(rival, async () => {
        await rival.peer.install();
        rival.entrant = await enter(rival.peer, rival.subject, workload, known);
      });
    }
    for (let round = 0; round < rounds; round++) {
      await playRound(ours, round % 2 === 0 ? rivals : rivals.toReversed(), sliceS);
      process.stderr.write(`${workload.name}: round ${round + 1} of ${rounds}\n`);
    }
  } finally {
    for (const rival of rivals) await rival.entrant?.dispose();
    await ours.dispose();
  }
  return rivals.map(({ peer, subject: { form }, meetings, fault }) => ({ name: peer.name, form, meetings, fault }));
}

async function playRound(ours: Entrant, rivals: readonly Rival[], sliceS: number): Promise<void> {
  const first = await measure(ours, sliceS);
  const found: [Rival, Sample][] = [];
  for (const rival of rivals) {
    await withFault(rival, async () => {
      if (rival.entrant !== null) found.push([rival, await measure(rival.entrant, sliceS)]);
    });
  }
  const last = await measure(ours, sliceS);
  for (const [rival, theirs] of found) rival.meetings.push({ theirs, ours: [first, last] });
}

/** A rival that fails is out; the others go on. */
async function withFault(rival: Rival, step: () => Promise<void>): Promise<void> {
  try {
    await step();
  } catch (error) {
    rival.fault = (error as Error).message.trim();
    process.stderr.write(`${rival.peer.name} is out: ${rival.fault}\n`);
    await rival.entrant?.dispose();
    rival.entrant = null;
  }
}

/** Started, checked, and halted. */
async function enter(peer: Peer, subject: Subject, workload: Workload, known: readonly Known[]): Promise<Entrant> {
  const row = (known[0] as Known).row;
  const running = await startPeer(peer, subject, row);
  const load = peer.request(subject, row);
  const wrk = new Wrk(load, ANSWER_S);
  const { connections } = workload;
  const dispose = async () => {
    wrk.dispose();
    await running.stop();
  };
  try {
    await checkAnswers(running, subject, known);
    signalTree(running.pid, 'SIGSTOP');
  } catch (error) {
    await dispose();
    throw error;
  }
  return {
    subject,
    running,
    slice: (seconds) =>
      workload.drained
        ? drainedSlice(running.url, load, connections, seconds)
        : wrk.slice(running.url, connections, seconds, loadCores(workload)),
    warm: () => drainedSlice(running.url, load, connections, WARM_S),
    dispose,
  };
}

async function measure({ running: { pid }, slice, warm }: Entrant, seconds: number): Promise<Sample> {
  signalTree(pid, 'SIGCONT');
  try {
    await warm();
    const before = treeCpuUs(pid);
    const found = await slice(seconds);
    const cpuUs = (treeCpuUs(pid) - before) / found.requests;
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
    return { ...found, cpuUs, bytes: treeBytes(pid) };
  } finally {
    signalTree(pid, 'SIGSTOP');
  }
}
