import { describe, expect, it } from 'vitest';
import { parseModelPolicy } from '../../../src/config/model-schema.ts';

/** The declaration of an image whose keys are `text`, in YAML's flow style. */
const imageOf = (text: string) => parseModelPolicy(`preprocess: { input: x, image: { ${text} } }`, 'f').preprocess;

const outputOf = (text: string) =>
  parseModelPolicy(`preprocess: { input: x, image: {} }\npostprocess: { y: { ${text} } }`, 'f').postprocess.y;

describe('preprocess of a model.yaml', () => {
  it('is, where nothing is said, what Resize and ToTensor of torchvision give', () => {
    expect(imageOf('')).toEqual({
      input: 'x',
      resize: {
        width: null,
        height: null,
        mode: 'stretch',
        shortestSide: null,
        filter: 'bilinear',
        antialias: true,
        pad: 0,
      },
      crop: 'none',
      color: 'RGB',
      layout: 'NCHW',
      scale: 1 / 255,
      mean: [0, 0, 0],
      std: [1, 1, 1],
      datatype: 'FP32',
      orientation: 'exif',
      polarity: null,
      exact: true,
    });
  });

  it('has the preset imagenet: shortest side 256, centre 224, the known mean and deviation', () => {
    expect(imageOf('preset: imagenet')).toMatchObject({
      resize: {
        width: 224,
        height: 224,
        mode: 'shortest-side',
        shortestSide: 256,
        filter: 'bilinear',
        antialias: true,
      },
      crop: 'center',
      color: 'RGB',
      layout: 'NCHW',
      scale: 1 / 255,
      mean: [0.485, 0.456, 0.406],
      std: [0.229, 0.224, 0.225],
    });
  });

  it('has the preset mnist: gray 28x28, light on dark', () => {
    expect(imageOf('preset: mnist')).toMatchObject({
      resize: { width: 28, height: 28, mode: 'stretch', shortestSide: null },
      color: 'GRAY',
      mean: [0.1307],
      std: [0.3081],
      polarity: { model: 'light-on-dark', pictures: 'light-on-dark' },
    });
  });

  it('has the preset yolo-letterbox: 640x640 on gray 114, not smoothed, 0..1', () => {
    expect(imageOf('preset: yolo-letterbox')).toMatchObject({
      resize: { width: 640, height: 640, mode: 'contain', filter: 'bilinear', antialias: false, pad: 114 },
      crop: 'none',
      color: 'RGB',
      scale: 1 / 255,
      mean: [0, 0, 0],
      std: [1, 1, 1],
    });
  });

  it.each([
    ['preset: imagenet, resize: { width: 299, height: 299, shortestSide: 342 }', 'resize', { shortestSide: 342 }],
    ['preset: imagenet, resize: { mode: stretch }', 'resize', { width: 224, mode: 'stretch', shortestSide: null }],
    [
      'preset: imagenet, resize: { filter: bicubic, antialias: false }',
      'resize',
      { filter: 'bicubic', antialias: false },
    ],
    ['preset: yolo-letterbox, resize: { pad: 0 }', 'resize', { pad: 0, mode: 'contain' }],
    ['preset: mnist, polarity: { pictures: dark-on-light }', 'polarity', { model: 'light-on-dark' }],
  ])('takes every key of a preset stated anew: %s', (text, key, expected) => {
    expect(imageOf(text)).toMatchObject({ [key]: expected });
  });

  it.each([
    ['layout: NHWC', { layout: 'NHWC' }],
    ['datatype: FP16', { datatype: 'FP16' }],
    ['orientation: ignore', { orientation: 'ignore' }],
    ['exact: false', { exact: false }],
    ['scale: 1/127.5, mean: 1', { scale: 1 / 127.5, mean: [1, 1, 1] }],
    ['scale: 1', { scale: 1 }],
    ['mean: 0, std: 1', { mean: [0, 0, 0], std: [1, 1, 1] }],
    ['color: GRAY, mean: [0]', { mean: [0] }],
    ['polarity: { model: dark-on-light }', { polarity: { model: 'dark-on-light', pictures: 'dark-on-light' } }],
  ])('takes %s beside imagenet', (text, expected) => {
    const preset = text.includes('GRAY') ? 'std: 1' : 'preset: imagenet';
    expect(imageOf(`${preset}, ${text}`)).toMatchObject(expected);
  });

  it('turns the colours of a preset for BGR, and leaves stated ones as they stand', () => {
    expect(imageOf('preset: imagenet, color: BGR')?.mean).toEqual([0.406, 0.456, 0.485]);
    expect(imageOf('preset: imagenet, color: BGR, mean: [1, 2, 3]')?.mean).toEqual([1, 2, 3]);
  });

  it('leaves raw bytes as they are', () => {
    expect(imageOf('preset: imagenet, datatype: UINT8')).toMatchObject({ scale: 1, mean: [0, 0, 0], std: [1, 1, 1] });
  });

  it('is frozen to its depth', () => {
    const declared = imageOf('preset: imagenet');
    expect(Object.isFrozen(declared) && Object.isFrozen(declared?.mean) && Object.isFrozen(declared?.resize)).toBe(
      true,
    );
  });

  it('is nothing where it is not stated', () => {
    expect(parseModelPolicy('preprocess:', 'f').preprocess).toBeNull();
  });

  it.each([
    ['{ image: {} }', 'm.yaml:1:1: preprocess.input: expected text, found nothing'],
    ['{ input: x }', 'm.yaml:1:1: preprocess.image: expected a mapping, found nothing'],
    ['{ input: x, image: {}, output: y }', "unknown key 'output'; expected one of input, image"],
    [
      '{ input: x, image: { size: 1 } }',
      "m.yaml:1:34: unknown key 'size'; expected one of preset, resize, crop, color",
    ],
    ['{ input: x, image: { resize: { w: 1 } } }', "unknown key 'w'; expected one of width, height, mode, shortestSide"],
    ['{ input: x, image: { polarity: { ink: dark } } }', "unknown key 'ink'; expected one of model, pictures"],
    ['{ input: x, image: { preset: vgg } }', 'expected imagenet or mnist or yolo-letterbox, found "vgg"'],
    ['{ input: x, image: { resize: { width: 0 } } }', 'preprocess.image.resize.width: expected at least 1, found 0'],
    ['{ input: x, image: { resize: { height: 16385 } } }', 'expected at most 16384, found 16385'],
    ['{ input: x, image: { resize: { width: 1.5 } } }', 'expected a whole number, found 1.5'],
    [
      '{ input: x, image: { resize: { mode: fit } } }',
      'expected stretch or cover or contain or shortest-side, found "fit"',
    ],
    ['{ input: x, image: { resize: { filter: box } } }', 'expected nearest or bilinear or bicubic or lanczos3 or area'],
    ['{ input: x, image: { resize: { antialias: 1 } } }', 'resize.antialias: expected true or false, found 1'],
    ['{ input: x, image: { resize: { pad: 256 } } }', 'resize.pad: expected at most 255, found 256'],
    ['{ input: x, image: { resize: 224 } }', 'preprocess.image.resize: expected a mapping, found 224'],
    ['{ input: x, image: { color: rgb } }', 'expected RGB or BGR or GRAY, found "rgb"'],
    ['{ input: x, image: { layout: CHW } }', 'expected NCHW or NHWC, found "CHW"'],
    ['{ input: x, image: { datatype: FP64 } }', 'expected FP32 or FP16 or UINT8, found "FP64"'],
    ['{ input: x, image: { orientation: true } }', 'expected exif or ignore, found true'],
    ['{ input: x, image: { scale: 0 } }', 'scale: expected a number above 0, or a fraction like 1/255, found 0'],
    ['{ input: x, image: { scale: 1/0 } }', 'expected a number above 0, or a fraction like 1/255, found "1/0"'],
    ['{ input: x, image: { scale: .inf } }', 'found Infinity'],
    ['{ input: x, image: { scale: 1-255 } }', 'found "1-255"'],
    ['{ input: x, image: { mean: [0, 1] } }', 'mean: expected a number or a list of 3 for color RGB, found [0,1]'],
    ['{ input: x, image: { mean: [0, b, 0] } }', 'mean.1: expected a number or a list of one per channel, found "b"'],
    [
      '{ input: x, image: { std: [1, 1, 0] } }',
      'std.2: expected a number above 0 or a list of one per channel, found 0',
    ],
    ['{ input: x, image: { std: 1.0e-40 } }', 'std: expected values with which every pixel is a number of float32'],
    [
      '{ input: x, image: { preset: yolo-letterbox, resize: { filter: area } } }',
      'resize.antialias: expected true with filter area: only bilinear and bicubic exist without, found nothing',
    ],
    [
      '{ input: x, image: { resize: { filter: lanczos3, antialias: false } } }',
      'resize.antialias: expected true with filter lanczos3: only bilinear and bicubic exist without, found false',
    ],
    ['{ input: x, image: { std: [] } }', 'std: expected a length of at least 1, found []'],
    ['{ input: x, image: { preset: imagenet, color: GRAY } }', 'mean: expected a number or a list of 1 for color GRAY'],
    [
      '{ input: x, image: { crop: center } }',
      'expected none with mode stretch (for center set mode to cover or shortest-side)',
    ],
    [
      '{ input: x, image: { preset: imagenet, crop: none } }',
      'm.yaml:1:52: preprocess.image.crop: expected center with mode shortest-side (for none set mode to stretch or contain)',
    ],
    [
      '{ input: x, image: { preset: imagenet, resize: { width: 299 } } }',
      'resize.shortestSide: expected a value beside another size: the preset has 256 for 224x224, found nothing',
    ],
    [
      '{ input: x, image: { resize: { shortestSide: 256 } } }',
      'expected mode: shortest-side beside it (mode is stretch), or no such key, found 256',
    ],
    [
      '{ input: x, image: { datatype: UINT8, std: 2 } }',
      'std: expected no such key with datatype UINT8, whose pixels stay 0..255, found 2',
    ],
    ['{ input: x, image: { polarity: dark-on-light } }', 'polarity: expected a mapping, found "dark-on-light"'],
    [
      '{ input: x, image: { polarity: { pictures: dark-on-light } } }',
      'polarity.model: expected dark-on-light or light-on-dark: what the model was trained on, found nothing',
    ],
  ])('refuses %s', (text, expected) => {
    expect(() => parseModelPolicy(`preprocess: ${text}`, 'm.yaml')).toThrow(expected);
  });

  it('names every mistake at once, each at its line', () => {
    const text =
      'preprocess:\n  input: x\n  image:\n    crop: center\n    mean: [0, 1]\n    resize:\n      shortestSide: 9';
    const lines = /m\.yaml:7:7: .*\n.*m\.yaml:4:5: .*\n.*m\.yaml:5:5: /;
    expect(() => parseModelPolicy(text, 'm.yaml')).toThrow(lines);
  });
});

describe('postprocess of a model.yaml', () => {
  it('answers the five best classes as they are where nothing is said', () => {
    const classes = { kind: 'classes', activation: 'none', topK: 5, argmax: false, threshold: null };
    expect(outputOf('')).toEqual(classes);
  });

  it.each([
    ['activation: softmax, topK: 3', { activation: 'softmax', topK: 3 }],
    ['activation: sigmoid, threshold: 0.5', { activation: 'sigmoid', threshold: 0.5 }],
    ['threshold: -3', { threshold: -3 }],
    ['argmax: true', { argmax: true }],
    [
      'boxes: { layout: yolov5 }',
      { kind: 'boxes', scoreThreshold: 0.25, iouThreshold: 0.45, maxDetections: 300, classAgnostic: false },
    ],
    ['boxes: { layout: yolov8 }', { kind: 'boxes', layout: 'yolov8', iouThreshold: 0.7 }],
    ['boxes: { layout: yolov8, iouThreshold: 0.5, classAgnostic: true }', { iouThreshold: 0.5, classAgnostic: true }],
  ])('takes %s', (text, expected) => expect(outputOf(text)).toMatchObject(expected));

  it.each([
    ['labels: labels.txt', "unknown key 'labels'; expected one of activation, topK, argmax, threshold, boxes"],
    ['topK: 0', 'postprocess.y.topK: expected at least 1, found 0'],
    ['topK: 1001', 'expected at most 1000, found 1001'],
    ['activation: relu', 'postprocess.y.activation: expected none or softmax or sigmoid, found "relu"'],
    ['threshold: .nan', 'threshold: expected a number, found NaN'],
    ['activation: softmax, threshold: 2', 'threshold: expected at least 0 and at most 1 behind softmax, found 2'],
    ['argmax: true, topK: 5', 'topK: expected no such key beside argmax, which answers one class, found 5'],
    ['argmax: true, threshold: 0', 'threshold: expected no such key beside argmax'],
    ['boxes: {}', 'postprocess.y.boxes.layout: expected yolov5 or yolov8, found nothing'],
    [
      'boxes: { layout: yolov8, score: 1 }',
      "unknown key 'score'; expected one of layout, scoreThreshold, iouThreshold",
    ],
    ['boxes: { layout: yolov8, scoreThreshold: 1.1 }', 'expected a number of at least 0 and at most 1, found 1.1'],
    ['boxes: { layout: yolov8, maxDetections: 0 }', 'maxDetections: expected at least 1, found 0'],
    ['boxes: { layout: yolov8 }, topK: 5', 'topK: expected no such key beside boxes, which has keys of its own'],
  ])('refuses %s', (text, expected) => expect(() => outputOf(text)).toThrow(expected));

  it('is refused where the model takes no images', () => {
    expect(() => parseModelPolicy('postprocess: { y: {} }', 'm.yaml')).toThrow(
      'm.yaml:1:1: postprocess: expected preprocess beside it: it says what is answered to an image',
    );
  });
});
