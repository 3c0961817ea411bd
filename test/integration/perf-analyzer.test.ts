import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type RunningGateway, startGateway } from '../support/gateway.ts';
import { drive, type PerfAnalyzer, perfAnalyzer } from '../support/perf-analyzer.ts';

const MOST = 8;

let server: RunningGateway;
let program: PerfAnalyzer;

beforeAll(async () => {
  server = await startGateway(['mlp']);
  if (process.platform === 'linux' && process.arch === 'x64') program = await perfAnalyzer();
}, 300_000);

afterAll(() => server.stop());

const failures = async () => {
  const text = await (await fetch(`${server.adminUrl}/metrics`)).text();
  return text.split('\n').filter((line) => line.startsWith('penstock_rejections_total{') && !line.endsWith(' 0'));
};

// The wheel has it for this machine only.
describe.skipIf(process.platform !== 'linux' || process.arch !== 'x64')("Triton's unmodified perf_analyzer", () => {
  test.each(['json', 'binary'] as const)(
    'drives a model in %s, 1 to 8 requests at once, without an error',
    async (form) => {
      const { report, printed } = await drive(program, server.inferenceUrl, 'mlp', form, MOST);
      expect(report.map((line) => line.Concurrency).sort()).toEqual(Array.from({ length: MOST }, (_, i) => i + 1));
      for (const line of report) expect(line['Inferences/Second']).toBeGreaterThan(0);
      expect(printed).not.toMatch(/error|fail|warning/i);
      expect(await failures()).toEqual([]);
      for (const line of report) {
        expect(line['Server Queue']).toBeGreaterThanOrEqual(0);
        expect(line['Server Compute Infer']).toBeGreaterThan(0);
      }
    },
    120_000,
  );
});
