/** A worker thread that ends while it boots, as often as the file PENSTOCK_TEST_BOOTS says; then the real one. */

import { readFileSync, writeFileSync } from 'node:fs';
import perform from '../../src/workers/thread.ts';

const file = process.env.PENSTOCK_TEST_BOOTS ?? '';
const left = Number(readFileSync(file, 'utf8'));
if (left > 0) {
  writeFileSync(file, String(left - 1));
  process.exit(3);
}

export default perform;
