/** The models of BM-8, and how they are asked. */

import type { Load } from '../runner/wrk.ts';
import { MLP1MS_WIDTH, mlp1msBinary, mlpBinary, PIXELS, pictureBinary } from './loads.ts';
import { writeMlp, writeMlp1ms, writeResnet } from './models.ts';

/** One of them. */
export interface SweptModel {
  readonly name: string;
  readonly write: (models: string) => Promise<void>;
  readonly load: Load;
  /** Of one request: single rows of quick models are more than one core can send. */
  readonly rows: number;
  /** Dims of one row. */
  readonly dims: readonly number[];
  /** Batch sizes of the grid, and of the raw loop that says where to look. */
  readonly sizes: readonly number[];
}

/** BM-2's, BM-5's and BM-6's. */
export const SWEPT: readonly SweptModel[] = [
  {
    name: 'mlp',
    write: writeMlp,
    load: mlpBinary(16),
    rows: 16,
    dims: [PIXELS],
    sizes: [1, 16, 32, 64, 128, 256, 512],
  },
  {
    name: 'mlp1ms',
    write: writeMlp1ms,
    load: mlp1msBinary(4),
    rows: 4,
    dims: [MLP1MS_WIDTH],
    sizes: [1, 4, 8, 16, 32, 64, 128],
  },
  {
    name: 'resnet18',
    write: writeResnet,
    load: pictureBinary('resnet18', 'logits'),
    rows: 1,
    dims: [3, 224, 224],
    sizes: [1, 2, 4, 8],
  },
];
