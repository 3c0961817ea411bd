import { describe, expect, test } from 'vitest';
import { classify } from '../../../src/codec/classification.ts';
import { parseModelPolicy } from '../../../src/config/model-schema.ts';
import { datatype } from '../../../src/core/datatype.ts';
import type { GatewayError } from '../../../src/core/error.ts';
import type { NamedOutput } from '../../../src/core/tensor.ts';
import { loadBinding } from '../../../src/native/load.ts';
import { FP16, narrowReference, widenReference } from '../../../src/native/reference/half.ts';
import { type Geometry, geometry } from '../../../src/preprocess/geometry.ts';
import { type ModelOutput, mostAnswers, pictureOutputs } from '../../../src/preprocess/picture-outputs.ts';
import { Chance } from '../../fuzz/chance.ts';
import { CountingPace } from '../../support/counting-pace.ts';

const binding = loadBinding();
const SQUARE = geometry({ mode: 'stretch', width: 8, height: 8, shortestSide: 0 }, { width: 8, height: 8 });

/** An output of the model behind so many bytes of something else. */
function floats(dims: readonly number[], values: readonly number[], name = 'y', skew = 4): ModelOutput {
  const bytes = Buffer.from(Float32Array.from(values).buffer);
  const memory = new Uint8Array(Buffer.concat([Buffer.alloc(skew, 0xff), bytes]));
  return { name, datatype: datatype('FP32'), dims, memory, offset: skew, bytes: bytes.length };
}

function halves(dims: readonly number[], values: readonly number[], name = 'y', skew = 3): ModelOutput {
  const bits = Uint16Array.from(values, (value) => narrowReference(FP16, value));
  const bytes = Buffer.from(bits.buffer);
  const memory = new Uint8Array(Buffer.concat([Buffer.alloc(skew, 0xff), bytes]));
  return { name, datatype: datatype('FP16'), dims, memory, offset: skew, bytes: bytes.length };
}

interface Ask {
  readonly labels?: Readonly<Record<string, readonly string[]>>;
  readonly geometries?: readonly Geometry[];
  readonly classification?: number;
  readonly pace?: CountingPace;
}

/** `postprocess` of a model.yaml applied to outputs. */
function answer(declared: string, outputs: readonly ModelOutput[], ask: Ask = {}): Promise<NamedOutput[]> {
  const { postprocess } = parseModelPolicy(
    `preprocess: { input: x, image: {} }\npostprocess: { ${declared} }\n`,
    'model.yaml',
  );
  const rows = outputs[0]?.dims[0] ?? 0;
  const geometries = ask.geometries ?? Array.from({ length: rows }, () => SQUARE);
  const labels = new Map(Object.entries(ask.labels ?? {}));
  const pace = ask.pace ?? new CountingPace();
  return pictureOutputs(binding, postprocess, labels, outputs, geometries, ask.classification ?? null, pace);
}

/** As text, whatever the datatype. */
function shown({ name, datatype: { name: type }, dims, bytes, strings }: NamedOutput) {
  expect(strings === null).not.toBe(bytes === null);
  if (bytes === null) return [name, type, dims, strings];
  const { buffer, byteOffset, byteLength } = bytes;
  if (type === 'INT64')
    return [name, type, dims, [...new BigInt64Array(buffer as ArrayBuffer, byteOffset, byteLength / 8)]];
  if (type === 'INT32') return [name, type, dims, [...new Int32Array(buffer, byteOffset, byteLength / 4)]];
  return [name, type, dims, [...new Float32Array(buffer, byteOffset, byteLength / 4)]];
}

const all = async (declared: string, outputs: readonly ModelOutput[], ask: Ask = {}) =>
  (await answer(declared, outputs, ask)).map(shown);

describe('the best classes', () => {
  test('five of them unless said, each with its label, row by row', async () => {
    const values = [0, 1, 2, 3, 4, 5, 6, 5, 4, 3, 2, 1, 0, -1];
    const labels = { y: ['a', 'b', 'c', 'd', 'e', 'f', 'g'] };
    expect(await all('y: {}', [floats([2, 7], values)], { labels })).toEqual([
      [
        'y',
        'BYTES',
        [2, 5],
        ['6:6:g', '5:5:f', '4:4:e', '3:3:d', '2:2:c', '5:0:a', '4:1:b', '3:2:c', '2:3:d', '1:4:e'],
      ],
    ]);
  });

  test('are at most as many as there are classes, whatever dimensions they lie in', async () => {
    expect(await all('y: { topK: 9 }', [floats([1, 3, 1, 1], [0.25, -1, 7])])).toEqual([
      ['y', 'BYTES', [1, 3], ['7:2', '0.25:0', '-1:1']],
    ]);
    expect(await all('y: {}', [floats([2, 0], [])])).toEqual([['y', 'BYTES', [2, 0], []]]);
    expect(await all('y: {}', [floats([0, 3], [])])).toEqual([['y', 'BYTES', [0, 3], []]]);
  });

  test('are as many as the caller says, and never more than a thousand', async () => {
    const rows = [
      floats(
        [1, 1200],
        Array.from({ length: 1200 }, (_, i) => i),
      ),
    ];
    expect(await all('y: { topK: 3 }', rows, { classification: 1 })).toEqual([['y', 'BYTES', [1, 1], ['1199:1199']]]);
    expect((await answer('y: { topK: 3 }', rows, { classification: 1e9 }))[0].dims).toEqual([1, 1000]);
  });

  test.each(['none', 'softmax', 'sigmoid'] as const)('behind %s agree with the formula', async (activation) => {
    const [rows, classes, k] = [5, 40, 7];
    const chance = new Chance(20_261_129, 1);
    const values = Array.from({ length: rows * classes }, () => Math.fround(chance.upTo(4000) / 100 - 20));
    const [output] = await answer(`y: { activation: ${activation}, topK: ${k} }`, [floats([rows, classes], values)]);
    expect(output.dims).toEqual([rows, k]);
    const found = (output.strings as string[]).map((text) => text.split(':').map(Number));
    const expected = Array.from({ length: rows }, (_, row) =>
      reference(activation, values.slice(row * classes, (row + 1) * classes), k),
    ).flat();
    expect(found.map(([, index]) => index)).toEqual(expected.map(({ index }) => index));
    found.forEach(([value], i) => {
      expect(Math.abs(value - expected[i].value)).toBeLessThanOrEqual(2e-6 * Math.abs(expected[i].value));
    });
  });

  test('keep the order of the scores where an activation makes them equal', async () => {
    expect(await all('y: { activation: sigmoid, topK: 3 }', [floats([1, 4], [30, 40, 20, 50])])).toEqual([
      ['y', 'BYTES', [1, 3], ['1:3', '1:1', '1:0']],
    ]);
  });

  test('below the threshold are left empty, those at it are not, and NaN is no value', async () => {
    const values = [0.7, 0.69, 0.2, Number.NaN, 0.9, 0.1];
    expect(
      await all('y: { threshold: 0.7, topK: 2 }', [floats([3, 2], values)], { labels: { y: ['a', 'b'] } }),
    ).toEqual([['y', 'BYTES', [3, 2], ['0.7:0:a', '', '', '', '0.9:0:a', '']]]);
  });

  test('of halves are written as the classification extension writes them', async () => {
    const values = [0.1, 0.7, -3.3, 0.25, 1e-7, 60_000];
    const output = halves([2, 3], values);
    const [{ strings }] = await answer('y: { topK: 3 }', [output], { labels: { y: ['a', 'b', 'c'] } });
    const { memory, offset, dims } = output;
    const same = classify(binding, datatype('FP16'), memory, offset, dims, true, 3, ['a', 'b', 'c']);
    expect(strings).toEqual(same.strings);
    expect(strings?.[0]).toBe(`${widenReference(FP16, narrowReference(FP16, 0.7))}:1:b`);
  });

  test('of floats too, from memory that is not aligned', async () => {
    const output = floats([1, 4], [0.1, Number.POSITIVE_INFINITY, Number.NaN, -1e-20], 'y', 3);
    const { memory, offset, dims } = output;
    const same = classify(binding, datatype('FP32'), memory, offset, dims, true, 4, null);
    expect((await answer('y: {}', [output]))[0].strings).toEqual(same.strings);
  });
});

/** What is answered of one row, in the shortest form and in double. */
function reference(activation: 'none' | 'softmax' | 'sigmoid', row: readonly number[], k: number) {
  const sum = row.reduce((total, x) => total + Math.exp(x), 0);
  const of = {
    none: (x: number) => x,
    softmax: (x: number) => Math.exp(x) / sum,
    sigmoid: (x: number) => 1 / (1 + Math.exp(-x)),
  };
  return row
    .map((x, index) => ({ x, index, value: of[activation](x) }))
    .sort((a, b) => b.x - a.x || a.index - b.index)
    .slice(0, k);
}

describe('argmax', () => {
  test('is the number of the best class of each row, the first of equal ones', async () => {
    const values = [1, 3, 2, 7, 7, -1, Number.NaN, -9, -8];
    expect(await all('y: { argmax: true }', [floats([3, 3], values)])).toEqual([['y', 'INT64', [3], [1n, 0n, 2n]]]);
    expect(await all('y: { argmax: true }', [halves([1, 3], [1, 3, 2])])).toEqual([['y', 'INT64', [1], [1n]]]);
  });

  test('gives way to a caller who asks for classes', async () => {
    expect(await all('y: { argmax: true }', [floats([1, 3], [1, 3, 2])], { classification: 2 })).toEqual([
      ['y', 'BYTES', [1, 2], ['3:1', '2:2']],
    ]);
  });

  test('of no classes is the fault of the model', async () => {
    expect(await fault(() => answer('y: { argmax: true }', [floats([1, 0], [])]))).toBe(
      "EXECUTION_FAILED: output 'y' of the model: expected a class, found [1, 0]",
    );
  });
});

async function fault(call: () => Promise<unknown>): Promise<string> {
  try {
    await call();
  } catch (error) {
    const { code, message } = error as GatewayError;
    return `${code}: ${message}`;
  }
  return 'none';
}

test('rows are ranked a few at a time, or boxes found of one, and all of them are answered', async () => {
  const values = Array.from({ length: 300 * 500 }, (_, i) => (i * 7919) % 1009);
  const output = floats([300, 500], values);
  const geometries = Array.from({ length: 300 }, () => SQUARE);
  const rowBytes = 4 * 500;
  const rows = Array.from({ length: 300 }, (_, row) => {
    const offset = output.offset + row * rowBytes;
    return { ...output, dims: [1, 500], offset, bytes: rowBytes };
  });
  for (const [keys, most] of [
    ['{ topK: 50 }', 50],
    ['{ activation: softmax, topK: 3, threshold: 0.001 }', 3],
    ['{ argmax: true }', 1],
  ] as const) {
    const pace = new CountingPace();
    const [, , dims, found] = (await all(`y: ${keys}`, [output], { geometries, pace }))[0] as [0, 0, number[], []];
    const single: unknown[] = [];
    for (const row of rows) single.push(...((await all(`y: ${keys}`, [row]))[0] as [0, 0, 0, []])[3]);
    expect(found).toEqual(single);
    expect(dims[0]).toBe(300);
    expect(pace.steps).toBe(Math.ceil(300 / Math.floor(Math.min(65_536 / 500, 2_048 / most))));
  }
  const pace = new CountingPace();
  const { dims, values: boxes } = head(
    'yolov8',
    Array.from({ length: 7 }, () => [[4, 4, 2, 2, 1]] as const),
    1,
  );
  await all('y: { boxes: { layout: yolov8 } }', [floats(dims, boxes)], { pace });
  expect(pace.steps).toBe(7);
});

describe('most answers to a picture', () => {
  const most = (declared: string, shapes: Record<string, number[]>, classification: number | null = null) => {
    const text = `preprocess: { input: x, image: {} }\npostprocess: { ${declared} }\n`;
    const outputs = Object.entries(shapes).map(([name, shape]) => ({ name, datatype: datatype('FP32'), shape }));
    return mostAnswers(parseModelPolicy(text, 'model.yaml').postprocess, outputs, classification);
  };

  test('are what is declared or asked for, as far as the model has so many', () => {
    expect(most('y: { topK: 7 }', { y: [-1, 1000] })).toBe(7);
    expect(most('y: { topK: 7 }', { y: [-1, 5] })).toBe(5);
    expect(most('y: { topK: 7 }', { y: [-1, 2, 3] }, 1e9)).toBe(6);
    expect(most('y: { topK: 7 }', { y: [-1, -1] }, 1e9)).toBe(1000);
    expect(most('y: { argmax: true }', { y: [-1, 10] })).toBe(1);
    expect(most('y: { argmax: true }', { y: [-1, 10] }, 4)).toBe(4);
    const boxes = 'y: { boxes: { layout: yolov8, maxDetections: 300 } }';
    expect(most(boxes, { y: [-1, 84, 8400] })).toBe(300);
    expect(most(boxes, { y: [-1, 84, 200] }, 5)).toBe(200);
    expect(most(boxes, { y: [-1, 84, -1] })).toBe(300);
  });

  test('are those of all declared outputs together, and of no other', () => {
    const shapes = { a: [-1, 10], b: [-1, 10], c: [-1, 10] };
    expect(most('a: { topK: 4 }, b: { topK: 3 }', shapes)).toBe(7);
  });
});

test('only declared outputs are given, in the order of the model', async () => {
  const outputs = [floats([1, 2], [1, 2], 'a'), floats([1, 2], [1, 2], 'toString'), floats([1, 2], [2, 1], 'c')];
  expect(await all('c: { topK: 1 }, a: { argmax: true }', outputs)).toEqual([
    ['a', 'INT64', [1], [1n]],
    ['c', 'BYTES', [1, 1], ['2:0']],
  ]);
});

test('another number of rows than pictures is the fault of the model', async () => {
  expect(await fault(() => answer('y: {}', [floats([2, 2], [1, 2, 3, 4])], { geometries: [SQUARE] }))).toBe(
    "EXECUTION_FAILED: output 'y' of the model: expected 1 rows, found [2, 2]",
  );
});

/** A box of a detector: centre, size and scores by class; certain that there is something. */
type Box = readonly [x: number, y: number, w: number, h: number, ...scores: number[]];

/** As YOLOv8 puts it out, every row filled up to `most` boxes by ones that are nothing. */
function head(layout: 'yolov5' | 'yolov8', rows: readonly (readonly Box[])[], most: number) {
  const classes = (rows[0][0]?.length ?? 5) - 4;
  const length = 4 + classes + (layout === 'yolov5' ? 1 : 0);
  const values = rows.flatMap((boxes) => {
    const nothing = Array.from({ length: most - boxes.length }, (): number[] => Array(4 + classes).fill(0));
    const filled = [...boxes, ...nothing].map((box) =>
      layout === 'yolov5' ? [...box.slice(0, 4), 1, ...box.slice(4)] : [...box],
    );
    return layout === 'yolov5' ? filled.flat() : Array.from({ length }, (_, i) => filled.map((box) => box[i])).flat();
  });
  const dims = layout === 'yolov5' ? [rows.length, most, length] : [rows.length, length, most];
  return { dims, values };
}

const letterbox = (width: number, height: number) =>
  geometry({ mode: 'contain', width: 640, height: 640, shortestSide: 0 }, { width, height });

describe.each(['yolov5', 'yolov8'] as const)('boxes of %s', (layout) => {
  const rows: Box[][] = [
    [
      [320, 320, 100, 50, 0.5, 0],
      [20, 150, 40, 20, 0, 0.75],
      [322, 320, 100, 50, 0.375, 0],
    ],
    [],
    [[100, 320, 40, 640, 0, 0.5]],
  ];
  // 1280x720 is halved, with 140 rows of padding above; 320x640 stands in the middle.
  const geometries = [letterbox(1280, 720), letterbox(64, 64), letterbox(320, 640)];
  const expected = [
    [
      'y',
      'FP32',
      [3, 2, 6],
      [
        ...[0, 0, 80, 40, 0.75, 1],
        ...[540, 310, 740, 410, 0.5, 0],
        ...Array(12).fill(0),
        ...[0, 0, 0, 640, 0.5, 1],
        ...Array(6).fill(0),
      ],
    ],
    ['y_count', 'INT32', [3], [2, 0, 1]],
  ];
  const labels = { y: ['cat', 'dog'] };

  test('are in pixels of each picture, the best first, and rows are filled up with zeros', async () => {
    const { dims, values } = head(layout, rows, 5);
    for (const output of [floats(dims, values), floats(dims, values, 'y', 3), halves(dims, values)]) {
      expect(await all(`y: { boxes: { layout: ${layout} } }`, [output], { geometries })).toEqual(expected);
    }
  });

  test('come with their labels where there are some', async () => {
    const { dims, values } = head(layout, rows, 3);
    const found = await all(`y: { boxes: { layout: ${layout} } }`, [floats(dims, values)], { geometries, labels });
    expect(found).toEqual([...expected, ['y_labels', 'BYTES', [3, 2], ['dog', 'cat', '', '', 'dog', '']]]);
  });

  test('are kept as declared: threshold, overlap, number, across classes', async () => {
    const one: Box[] = [
      [100, 100, 40, 40, 0.5, 0],
      [100, 100, 40, 40, 0, 0.75],
      [104, 100, 40, 40, 0.625, 0],
      [300, 100, 40, 40, 0.125, 0],
    ];
    const { dims, values } = head(layout, [one], 4);
    const scores = async (keys: string) => {
      const [[, , [, n], boxes], [, , , [count]]] = (await all(
        `y: { boxes: { layout: ${layout}, ${keys} } }`,
        [floats(dims, values)],
        { geometries: [letterbox(640, 640)] },
      )) as [[0, 0, number[], number[]], [0, 0, 0, number[]]];
      expect(count).toBe(n);
      return Array.from({ length: n }, (_, i) => boxes[6 * i + 4]);
    };
    expect(await scores('scoreThreshold: 0.25')).toEqual([0.75, 0.625]);
    expect(await scores('scoreThreshold: 0.1')).toEqual([0.75, 0.625, 0.125]);
    expect(await scores('iouThreshold: 0.9')).toEqual([0.75, 0.625, 0.5]);
    expect(await scores('maxDetections: 1')).toEqual([0.75]);
    expect(await scores('classAgnostic: true')).toEqual([0.75]);
    expect(await scores('scoreThreshold: 0.9')).toEqual([]);
  });

  test('where the picture was cut or stretched go back the same way', async () => {
    const { dims, values } = head(layout, [[[320, 320, 640, 320, 0.5]], [[320, 160, 64, 32, 0.5]]], 1);
    const target = { width: 640, height: 640, shortestSide: 0 };
    const cut = geometry({ ...target, mode: 'cover' }, { width: 400, height: 200 });
    const stretched = geometry({ ...target, mode: 'stretch' }, { width: 320, height: 1280 });
    const [[, , , boxes]] = await all(`y: { boxes: { layout: ${layout} } }`, [floats(dims, values)], {
      geometries: [cut, stretched],
    });
    // Cut: 1280x640 of which the middle 640 are seen, so 100 pixels to the left are not. Stretched: by 2 and by 1/2.
    expect(boxes).toEqual([100, 50, 300, 150, 0.5, 0, 144, 288, 176, 352, 0.5, 0]);
  });

  test('of another form than declared are the fault of the model', async () => {
    expect(
      await fault(() => answer(`y: { boxes: { layout: ${layout} } }`, [floats([1, 4, 4], Array(16).fill(0))])),
    ).toMatch(/^EXECUTION_FAILED: output 'y' of the model: expected \[batch, .*\], found \[1, 4, 4\]$/);
  });
});
