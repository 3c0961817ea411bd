import { execFileSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { linearAxis, logAxis, tailAxis } from '../../../src/load/axis.ts';
import type { LoadFigures } from '../../../src/load/figures.ts';
import { markup } from '../../../src/load/markup.ts';
import { reportPage } from '../../../src/load/page.ts';
import type { Report } from '../../../src/load/report.ts';
import { figures, open, overloaded, reportOf } from '../../support/load-figures.ts';

/** What an XML parser finds in a page: it throws where the page is not well-formed. */
interface Found {
  readonly tags: Readonly<Record<string, number>>;
  readonly attributes: readonly (readonly [tag: string, name: string, value: string])[];
  /** By the title of the drawing: points of each line, dots, bars. */
  readonly plots: Readonly<Record<string, { lines: number[]; dots: number; bars: number }>>;
  readonly text: string;
  readonly ids: readonly string[];
}

const READ = `
import sys, json, collections
import xml.etree.ElementTree as tree
root = tree.fromstring(sys.stdin.read())
plots = {}
for svg in root.iter('svg'):
    lines = [len(line.get('points').split()) for line in svg.iter('polyline')]
    plots[svg.find('title').text] = {'lines': lines, 'dots': len(list(svg.iter('circle'))), 'bars': len(list(svg.iter('rect')))}
tags = collections.Counter(e.tag for e in root.iter())
attributes = [[e.tag, k, v] for e in root.iter() for k, v in e.attrib.items()]
body = ' '.join(root.find('body').itertext())
print(json.dumps({'tags': tags, 'attributes': attributes, 'plots': plots, 'text': body, 'ids': [e.get('id') for e in root.iter() if e.get('id')]}))`;

function read(page: string): Found {
  return JSON.parse(execFileSync('python3', ['-c', READ], { input: page, encoding: 'utf8' }));
}

const batches = (sizes: number): LoadFigures['server'] => {
  const counts = Array.from({ length: sizes }, (_, i) => [i + 1, 10 * (i + 1)] as const);
  return { inferences: 900, executions: 300, batchRows: 3, queueUs: 10, computeUs: 20, batches: counts };
};

const ramp: Report = reportOf([
  figures(open(300), 1500, { server: batches(5) }),
  figures(open(100), 900, { server: batches(2) }),
  figures(open(200), 1100, {
    server: batches(60),
    refused: [overloaded(7)],
    errors: { connect: 0, reset: 3, timeout: 0, malformed: 0 },
    generator: { ...figures(open(1), 1).generator, void: 'its lag was 0.9 ms' },
  }),
]);

describe('the page of a ramp', () => {
  const page = reportPage(ramp);
  const found = read(page);

  test('has each plot with a point for each run', () => {
    const { plots } = found;
    expect(plots['Latency against load']).toEqual({ lines: [3, 3, 2], dots: 6, bars: 0 });
    expect(plots['Goodput against offered load']).toEqual({ lines: [2, 3, 3], dots: 3, bars: 0 });
    // Points up to the last nine that a run of 3,000 requests can tell.
    const upTo = (run: LoadFigures) => run.latency.points.filter(([quantile]) => quantile <= 0.999).length;
    const byLoad = ramp.runs.toSorted((a, b) => a.offered - b.offered);
    expect(plots.Percentiles?.lines).toEqual(byLoad.map(upTo));
    expect(Math.min(...(plots.Percentiles?.lines ?? []))).toBeGreaterThan(30);
    expect(plots['Batch sizes at 100/s poisson']?.bars).toBe(2);
    expect(plots['Batch sizes at 300/s poisson']?.bars).toBe(5);
    // 60 sizes share bars of three.
    expect(plots['Batch sizes at 200/s poisson']?.bars).toBe(20);
  });

  test('draws points where their values are', () => {
    const places = /<polyline class="line orange" points="([^"]+)"/.exec(page)?.[1] as string;
    const [low, middle, high] = places.split(' ').map((place) => place.split(',').map(Number)) as [number, number][];
    expect((middle as number[])[0] as number).toBeCloseTo(
      (((low as number[])[0] as number) + ((high as number[])[0] as number)) / 2,
      0,
    );
    // Slower is higher, and an SVG counts downwards.
    expect((low as number[])[1]).toBeGreaterThan((high as number[])[1] as number);
    const goodput = /<polyline class="line green" points="([^"]+)"/.exec(page)?.[1] as string;
    const ideal = /<polyline class="line dashed grey" points="([^"]+)"/.exec(page)?.[1] as string;
    // All was good: the last point lies on the end of the ideal line.
    expect(goodput.split(' ').at(-1)).toBe(ideal.split(' ').at(-1));
  });

  test('fetches nothing and runs nothing', () => {
    const names = found.attributes.map(([, name]) => name);
    for (const name of ['src', 'href', 'srcset', 'data', 'action', 'style', 'background'])
      expect(names).not.toContain(name);
    expect(names.filter((name) => name.startsWith('on'))).toEqual([]);
    for (const tag of ['script', 'link', 'img', 'iframe', 'object', 'embed', 'use', 'image', 'foreignObject']) {
      expect(found.tags[tag] ?? 0).toBe(0);
    }
    expect(page).not.toMatch(/url\(|@import/);
    expect(page.replaceAll(ramp.url, '')).not.toMatch(/https?:/);
  });

  test('can be read without seeing it: every drawing has title, description and a table beside it', () => {
    const drawings = Object.keys(found.plots).length;
    expect(found.tags.desc).toBe(drawings);
    expect(
      found.attributes.filter(([tag, name, value]) => tag === 'svg' && name === 'role' && value === 'img'),
    ).toHaveLength(drawings);
    const named = found.attributes.filter(([tag, name]) => tag === 'svg' && name === 'aria-labelledby');
    for (const id of named.flatMap(([, , value]) => value.split(' '))) expect(found.ids).toContain(id);
    expect(new Set(found.ids).size).toBe(found.ids.length);
    expect(found.tags.details).toBe(4);
    expect(found.tags.table).toBe(7);
    expect(page).toContain('prefers-color-scheme: dark');
  });

  test('names what is void, refused and failed', () => {
    for (const words of [
      'The run 200/s poisson is void: its lag was 0.9 ms.',
      'OVERLOADED (503)',
      'connection: reset',
    ]) {
      expect(found.text).toContain(words);
    }
    expect(page).toContain('class="dot doubtful orange"');
  });
});

describe('the page of other reports', () => {
  test('of one closed loop has concurrency across, and no ideal line', () => {
    const found = read(
      reportPage(
        reportOf([figures({ kind: 'closed', concurrency: 8 }, 900, { deadlineMs: null })], { kind: 'single' }),
      ),
    );
    expect(found.plots['Goodput against concurrency']).toEqual({ lines: [1, 1], dots: 1, bars: 0 });
    expect(found.plots['Latency against load']).toEqual({ lines: [1, 1], dots: 2, bars: 0 });
    expect(Object.keys(found.plots)).toHaveLength(3);
    expect(found.text).not.toContain('Refusals and failures');
  });

  test('names the best goodput among runs that held, late generator or not, and those that are not void', () => {
    const late = { ...figures(open(1), 1).generator, void: 'late' };
    const held = figures(open(300), 900, { goodput: 300, generator: late });
    const failed = figures(open(900), 900, { goodput: 800, ok: 100, late: 8900, generator: late });
    const collapsed = figures(open(600), 900, { goodput: 7, ok: 70, late: 5930 });
    expect(read(reportPage(reportOf([held, failed, collapsed]))).text).toMatch(/Best goodput\s*300/);
  });

  test('of an overload has the capacity and the recovery', () => {
    const recovery = { burstRate: 500, rate: 80, windowS: 0.5, goodput: [1, 40, 80, 80], recoveredS: 1.5 };
    const found = read(
      reportPage(
        reportOf(ramp.runs, {
          kind: 'overload',
          capacity: { rate: 250, heldDeadlineMs: 50, limitedBy: 'deadline' },
          recovery,
        }),
      ),
    );
    expect(found.plots['Recovery after the burst']).toEqual({ lines: [2, 4], dots: 4, bars: 0 });
    expect(found.text).toMatch(/Capacity\s*250/);
    expect(found.text).toContain('back after 1.50 s');
  });

  test('without a run, or with runs that nobody answered, is whole', () => {
    const none = read(reportPage(reportOf([], { complete: false })));
    expect(none.plots).toEqual({});
    expect(none.text).toContain('This report is incomplete');
    const nothing = figures({ kind: 'closed', concurrency: 0 }, 1);
    const dead = read(reportPage(reportOf([nothing])));
    expect(dead.plots['Goodput against concurrency']).toEqual({ lines: [1, 1], dots: 1, bars: 0 });
    expect(dead.text).not.toMatch(/NaN|Infinity|undefined/);
  });

  test('of many runs draws some of each, and has all of them in its tables', () => {
    const many = Array.from({ length: 40 }, (_, i) => figures(open(10 * (i + 1)), 900, { server: batches(3) }));
    const page = reportPage(reportOf(many));
    const found = read(page);
    expect(found.plots.Percentiles?.lines).toHaveLength(6);
    expect(Object.keys(found.plots).filter((title) => title.startsWith('Batch sizes'))).toHaveLength(12);
    for (const { loop } of many) expect(found.text).toContain(`${loop.kind === 'open' ? loop.rate : 0}/s poisson`);
  });

  test('shows what a server or a command line put into it as text', () => {
    const hostile = `</title></style><script>alert(1)</script><img src="http://evil.example/x" onerror='x'>&amp;\u0000\u202e\ud800"`;
    const run = figures(open(50), 900, {
      refused: [{ ...overloaded(2), code: hostile }],
      generator: { ...figures(open(1), 1).generator, void: hostile },
    });
    const page = reportPage(
      reportOf([run], {
        model: hostile,
        version: hostile,
        url: hostile,
        command: hostile,
        server: { name: hostile, version: hostile },
        machine: { cpu: hostile, cores: 1, node: hostile, platform: hostile },
        generator: { version: hostile, commit: hostile },
      }),
    );
    const found = read(page);
    expect(found.tags.script ?? 0).toBe(0);
    expect(found.tags.img ?? 0).toBe(0);
    expect(found.attributes.filter(([, name]) => name.startsWith('on') || name === 'src')).toEqual([]);
    expect(page).not.toContain('<script');
    expect(found.text).toContain('<script>alert(1)</script>');
    expect(page.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cf}]/u);
  });
});

describe('markup', () => {
  test('escapes what is put into it, and cuts what is endless', () => {
    expect(markup`<b title="${'"<'}">${'&'}${markup`<i>${1 / 3}</i>`}</b>`.text).toBe(
      '<b title="&quot;&lt;">&amp;<i>0.33</i></b>',
    );
    expect(markup`${'x'.repeat(1e6)}`.text.length).toBeLessThan(3000);
  });
});

describe('an axis', () => {
  test('from 0 has round ticks, and holds its largest value', () => {
    expect(linearAxis('', 4530).ticks.map(([, label]) => label)).toEqual([
      '0',
      '1,000',
      '2,000',
      '3,000',
      '4,000',
      '5,000',
    ]);
    expect(linearAxis('', 0.3).ticks.map(([, label]) => label)).toEqual(['0', '0.1', '0.2', '0.3']);
    expect(linearAxis('', 0).place(0)).toBe(0);
    for (const most of [0.001, 1, 7, 64, 99, 1234, 1e6])
      expect(linearAxis('', most).place(most)).toBeLessThanOrEqual(1);
  });

  test('of logarithms has its round numbers where they belong', () => {
    const axis = logAxis('', 120, 9000, String);
    expect(axis.ticks.map(([, label]) => label)).toEqual(['100', '200', '500', '1000', '2000', '5000', '10000']);
    expect(axis.place(1000)).toBeCloseTo(0.5, 9);
    expect([axis.place(1), axis.place(100), axis.place(10_000)]).toEqual([0, 0, 1]);
    expect(logAxis('', 1, 1e6, String).ticks).toHaveLength(7);
  });

  test('of percentiles gives each nine the same room', () => {
    const axis = tailAxis('', 4);
    expect(axis.ticks.map(([, label]) => label)).toEqual(['0 %', '90 %', '99 %', '99.9 %', '99.99 %']);
    expect([0, 0.9, 0.99, 0.999, 0.9999].map(axis.place).map((x) => Number(x.toFixed(6)))).toEqual([
      0, 0.25, 0.5, 0.75, 1,
    ]);
    expect(axis.place(1)).toBe(1);
  });
});
