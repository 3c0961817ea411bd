/** The workloads of BM-12: which model, in which form, over how many connections, on which cores. */

import { availableParallelism } from 'node:os';
import { modelFile } from '../http/models.ts';
import type { Form, Subject } from './peer.ts';

/** A workload without its models. */
export interface Workload {
  readonly name: string;
  readonly model: 'mlp' | 'mlp1ms' | 'resnet18';
  readonly connections: number;
  /** Whether the server has all cores, shared with the generator, and an instance for each; else core 0, the generator core 1. */
  readonly allCores: boolean;
  /** Whether slices end with the last answer: where few answers fit a slice. */
  readonly drained: boolean;
  /** Forms that a rival may be asked in, the first that it knows. */
  readonly forms: readonly Form[];
}

const SHAPES = {
  mlp: { input: 'input', shape: [784], output: 'probs', outputs: 10 },
  mlp1ms: { input: 'input', shape: [512], output: 'output', outputs: 512 },
  resnet18: { input: 'input', shape: [3, 224, 224], output: 'logits', outputs: 1000 },
} as const;

/** All of them. A picture as JSON text would measure parsers: who has no binary form takes no part in it. */
export const WORKLOADS: readonly Workload[] = [
  { name: 'mlp binary', model: 'mlp', connections: 64, allCores: false, drained: false, forms: ['binary'] },
  { name: 'mlp JSON', model: 'mlp', connections: 64, allCores: false, drained: false, forms: ['json'] },
  { name: 'mlp1ms', model: 'mlp1ms', connections: 64, allCores: true, drained: false, forms: ['binary', 'json'] },
  { name: 'resnet18', model: 'resnet18', connections: 8, allCores: true, drained: true, forms: ['binary'] },
];

/** The core of the generator, as taskset takes it. */
export function loadCores({ allCores }: Workload): string {
  return allCores ? everyCore() : '1';
}

/** What a server that knows `forms` is to serve; null where it cannot be asked. */
export function subjectOf(workload: Workload, models: string, forms: readonly Form[]): Subject | null {
  const form = workload.forms.find((one) => forms.includes(one));
  if (form === undefined) return null;
  const { model, connections, allCores } = workload;
  const instances = allCores ? availableParallelism() : 1;
  return {
    ...SHAPES[model],
    model,
    models,
    path: modelFile(models, model),
    form,
    instances,
    // All that can come at once.
    batch: Math.max(1, Math.floor(connections / instances)),
    cores: allCores ? everyCore() : '0',
  };
}

function everyCore(): string {
  return `0-${availableParallelism() - 1}`;
}
