import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { requestOf, runCampaign } from './http/campaign.ts';
import { encode } from './http/request.ts';

const SEED = 20_240_501;

test('a seed makes the same requests again, another one makes others', () => {
  const bytes = (seed: number) => Array.from({ length: 200 }, (_, i) => encode(requestOf(seed, i)).toString('latin1'));
  expect(bytes(SEED)).toEqual(bytes(SEED));
  expect(bytes(SEED)).not.toEqual(bytes(SEED + 1));
});

// The short form of `npm run fuzz -- http SECONDS`.
test('mutated requests are answered one by one, beside a neighbour, and leave nothing behind', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'penstock-findings-'));
  try {
    const report = await runCampaign({ seed: SEED, seconds: 15, requests: 800, folder });
    expect(report.findings).toEqual([]);
    expect(report.requests).toBeGreaterThanOrEqual(100);
    expect(report.neighbours).toBeGreaterThan(10);
    for (const outcome of ['200', 'INVALID_ARGUMENT', 'ROUTE_NOT_FOUND', 'none']) {
      expect([...report.outcomes.keys()]).toContain(outcome);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}, 60_000);
