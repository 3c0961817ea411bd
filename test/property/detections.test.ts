import { describe, expect, test } from 'vitest';
import { type DetectionLayout, type DetectionRules, detect, type Letterbox } from '../../src/native/detections.ts';
import { MOST_CANDIDATES, MOST_DETECTIONS } from '../../src/native/image-words.ts';
import { loadBinding } from '../../src/native/load.ts';
import { Chance } from '../fuzz/chance.ts';

const binding = loadBinding();
const SEED = Number(process.env.PENSTOCK_SEED ?? Date.now() % 1_000_000_000);
const RULES: DetectionRules = { scoreThreshold: 0.25, iouThreshold: 0.45, maxDetections: 300, acrossClasses: false };
const AS_IT_IS: Letterbox = { scale: 1, padX: 0, padY: 0, width: 640, height: 640 };

/** One box: centre, size, objectness (1 in the layout without), classes. */
type Box = { at: [number, number, number, number]; objectness: number; classes: number[] };

const LAYOUTS: readonly DetectionLayout[] = ['yolov5', 'yolov8'];

/** The boxes as a model would put them out. */
function headOf(layout: DetectionLayout, boxes: readonly Box[]): Float32Array {
  if (layout === 'yolov5') return Float32Array.from(boxes.flatMap((b) => [...b.at, b.objectness, ...b.classes]));
  const columns = boxes.map((b) => [...b.at, ...b.classes]);
  return Float32Array.from((columns[0] ?? []).flatMap((_, i) => columns.map((column) => column[i])));
}

function run(layout: DetectionLayout, boxes: readonly Box[], rules = RULES, letterbox = AS_IT_IS): number[][] {
  const values = headOf(layout, boxes);
  const memory = new Uint8Array(values.buffer);
  const head = { memory, offset: 0, layout, boxes: boxes.length, classes: boxes[0]?.classes.length ?? 1 };
  const rows = new Float32Array(rules.maxDetections * 6 + 2).fill(-7);
  const count = detect(binding, head, rules, letterbox, new Uint8Array(rows.buffer), 4);
  expect([rows[0], ...rows.slice(1 + count * 6)].every((value) => value === -7)).toBe(true);
  return Array.from({ length: count }, (_, i) => [...rows.slice(1 + i * 6, 7 + i * 6)]);
}

interface Found {
  readonly index: number;
  readonly score: number;
  readonly label: number;
  readonly corners: readonly number[];
}

function found(layout: DetectionLayout, box: Box, index: number): Found {
  const [x, y, w, h] = box.at.map(Math.fround);
  const classes = box.classes.map(Math.fround).map((score) => (Number.isNaN(score) ? Number.NEGATIVE_INFINITY : score));
  const label = classes.indexOf(Math.max(...classes));
  const score = layout === 'yolov5' ? Math.fround(classes[label] * Math.fround(box.objectness)) : classes[label];
  return { index, score, label, corners: [x - w / 2, y - h / 2, x + w / 2, y + h / 2] };
}

function overlap([ax1, ay1, ax2, ay2]: readonly number[], [bx1, by1, bx2, by2]: readonly number[]): number {
  const common =
    Math.max(0, Math.min(ax2, bx2) - Math.max(ax1, bx1)) * Math.max(0, Math.min(ay2, by2) - Math.max(ay1, by1));
  return common === 0 ? 0 : common / ((ax2 - ax1) * (ay2 - ay1) + (bx2 - bx1) * (by2 - by1) - common);
}

/** What the kernel does, in the shortest form. */
function reference(layout: DetectionLayout, boxes: readonly Box[], rules: DetectionRules, to: Letterbox): number[][] {
  const candidates = boxes
    .map((box, i) => found(layout, box, i))
    .filter(({ index }) => {
      const at = boxes[index].at.map(Math.fround);
      return at.every(Number.isFinite) && at[2] > 0 && at[3] > 0;
    })
    .filter(({ score }) => score > Math.fround(rules.scoreThreshold) && Number.isFinite(score))
    .sort((a, b) => b.score - a.score || a.index - b.index)
    .slice(0, MOST_CANDIDATES);
  const kept: Found[] = [];
  for (const candidate of candidates) {
    const rivals = kept.filter(({ label }) => rules.acrossClasses || label === candidate.label);
    if (rivals.every(({ corners }) => overlap(corners, candidate.corners) <= rules.iouThreshold)) kept.push(candidate);
  }
  const back = (value: number, pad: number, most: number) =>
    Math.fround(Math.min(Math.max((value - pad) / to.scale, 0), most));
  return kept
    .slice(0, rules.maxDetections)
    .map(({ corners: [x1, y1, x2, y2], score, label }) => [
      back(x1, to.padX, to.width),
      back(y1, to.padY, to.height),
      back(x2, to.padX, to.width),
      back(y2, to.padY, to.height),
      score,
      label,
    ]);
}

const ODD = [Number.NaN, Infinity, -Infinity, 0, -1, 3e38];

/** Boxes around a few centres, with scores of few values: overlaps and ties are the rule. */
function boxesOf(chance: Chance, count: number, classes: number): Box[] {
  const odd = (value: number) => (chance.oneIn(200) ? chance.pick(ODD) : value);
  const score = () => odd(chance.upTo(20) / 20);
  return Array.from({ length: count }, () => ({
    at: [
      odd(100 * chance.upTo(6) + chance.upTo(30)),
      odd(100 * chance.upTo(6) + chance.upTo(30)),
      odd(20 + chance.upTo(100)),
      odd(20 + chance.upTo(100)),
    ],
    objectness: score(),
    classes: Array.from({ length: classes }, score),
  }));
}

describe(`with seed ${SEED} (PENSTOCK_SEED)`, () => {
  console.log(`detections: seed ${SEED}`);

  test.each(LAYOUTS)('%s: the same boxes in the same order as the reference, to the bit', (layout) => {
    let detections = 0;
    for (let round = 0; round < 300; round++) {
      const chance = new Chance(SEED, round);
      const boxes = boxesOf(chance, chance.oneIn(10) ? 1_100 : chance.upTo(300), 1 + chance.upTo(5));
      const rules = {
        scoreThreshold: chance.upTo(10) / 10,
        iouThreshold: chance.upTo(10) / 10,
        maxDetections: chance.pick([0, 1, 5, 300]),
        acrossClasses: chance.oneIn(2),
      };
      const scale = (1 + chance.upTo(40)) / 13;
      const [padX, padY] = [chance.upTo(80) / 2, chance.upTo(80) / 2];
      const letterbox = { scale, padX, padY, width: 1 + chance.upTo(700), height: 1 + chance.upTo(700) };
      const rows = run(layout, boxes, rules, letterbox);
      expect([round, rows]).toEqual([round, reference(layout, boxes, rules, letterbox)]);
      detections += rows.length;
    }
    expect(detections).toBeGreaterThan(1000);
  });

  test.each(LAYOUTS)('%s: of 70,000 boxes that are all sure the 30,000 best take part', (layout) => {
    const chance = new Chance(SEED, 1_000);
    const boxes = Array.from(
      { length: 70_000 },
      (): Box => ({
        at: [chance.upTo(6400) / 10, chance.upTo(6400) / 10, 4, 4],
        objectness: 1,
        classes: [0.5 + chance.upTo(1_000_000) / 2_000_000],
      }),
    );
    const rules = { ...RULES, iouThreshold: 0, maxDetections: MOST_DETECTIONS };
    const rows = run(layout, boxes, rules);
    expect(rows.length).toBe(MOST_DETECTIONS);
    // Everything in one place: only the last candidate of those that take part is elsewhere.
    const last = MOST_CANDIDATES - 1;
    for (const box of boxes) box.at = [50, 50, 10, 10];
    const ranked = boxes
      .map((_, i) => i)
      .sort((a, b) => found(layout, boxes[b], b).score - found(layout, boxes[a], a).score || a - b);
    boxes[ranked[last]].at = [300, 300, 10, 10];
    boxes[ranked[last + 1]].at = [500, 500, 10, 10];
    expect(run(layout, boxes, rules).map(([x1]) => x1)).toEqual([45, 295]);
  });
});

describe.each(LAYOUTS)('%s by hand', (layout) => {
  const box = (x: number, y: number, size: number, ...classes: number[]): Box => ({
    at: [x, y, size, size],
    objectness: 1,
    classes,
  });

  test('two boxes on one thing and one beside it', () => {
    const boxes = [box(100, 100, 40, 0.5, 0), box(104, 100, 40, 0.75, 0.25), box(200, 100, 40, 0, 0.625)];
    expect(run(layout, boxes)).toEqual([
      [84, 80, 124, 120, 0.75, 0],
      [180, 80, 220, 120, 0.625, 1],
    ]);
  });

  test('boxes of two classes stay, unless classes suppress each other', () => {
    const boxes = [box(100, 100, 40, 0.5, 0), box(100, 100, 40, 0, 0.75)];
    expect(run(layout, boxes).map((row) => row.slice(4))).toEqual([
      [0.75, 1],
      [0.5, 0],
    ]);
    expect(run(layout, boxes, { ...RULES, acrossClasses: true }).map((row) => row.slice(4))).toEqual([[0.75, 1]]);
  });

  test('the letterbox is undone: 1280 x 720 in 640 x 640 with 140 rows of padding', () => {
    const letterbox = { scale: 0.5, padX: 0, padY: 140, width: 1280, height: 720 };
    const boxes = [{ at: [320, 320, 100, 50], objectness: 1, classes: [0.5] } as Box, box(0, 140, 20, 0.375)];
    expect(run(layout, boxes, RULES, letterbox)).toEqual([
      [540, 310, 740, 410, 0.5, 0],
      [0, 0, 20, 20, 0.375, 0],
    ]);
  });

  test('thresholds: a score must be above, an overlap of exactly the limit stays', () => {
    // Two squares of 20, shifted by 10: 200 of 600.
    const boxes = [box(100, 100, 20, 0.5), box(110, 100, 20, 0.25)];
    expect(run(layout, boxes, { ...RULES, scoreThreshold: 0.25 }).length).toBe(1);
    expect(run(layout, boxes, { ...RULES, scoreThreshold: 0.2, iouThreshold: 200 / 600 }).length).toBe(2);
    expect(run(layout, boxes, { ...RULES, scoreThreshold: 0.2, iouThreshold: 0.33 }).length).toBe(1);
  });

  test.each([0.1, 0.25, 0.3, 0.7])(
    'a score of %d is not above a threshold of as much, and the next one is',
    (score) => {
      const rules = { ...RULES, scoreThreshold: score };
      const next = new Float32Array(Uint32Array.of(new Uint32Array(Float32Array.of(score).buffer)[0] + 1).buffer)[0];
      expect(run(layout, [box(100, 100, 20, score)], rules)).toEqual([]);
      expect(run(layout, [box(100, 100, 20, next)], rules).map((row) => row[4])).toEqual([next]);
    },
  );

  test('equal scores: the class and the box that come first', () => {
    const boxes = [box(300, 300, 20, 0.5, 0.5), box(100, 100, 20, 0.5, 0.5), box(101, 100, 20, 0.5, 0.5)];
    expect(run(layout, boxes)).toEqual([
      [290, 290, 310, 310, 0.5, 0],
      [90, 90, 110, 110, 0.5, 0],
    ]);
  });

  test('nothing: no box, none above the threshold, none wanted, none that is finite', () => {
    expect(run(layout, [])).toEqual([]);
    expect(run(layout, [box(1, 1, 1, 0.1)])).toEqual([]);
    expect(run(layout, [box(1, 1, 1, 0.9)], { ...RULES, maxDetections: 0 })).toEqual([]);
    expect(run(layout, [box(1, 1, 1, Number.NaN), box(1, Number.NaN, 1, 0.9), box(1, 1, 0, 0.9)])).toEqual([]);
    expect(run(layout, [box(1, 1, 1, Infinity), box(Infinity, 1, 1, 0.9), box(1, 1, Infinity, 0.9)])).toEqual([]);
  });
});

test('yolov5: objectness times class is the score', () => {
  const [row] = run('yolov5', [{ at: [10, 10, 4, 4], objectness: 0.5, classes: [0.25, 0.75] }]);
  expect(row).toEqual([8, 8, 12, 12, 0.375, 1]);
});
