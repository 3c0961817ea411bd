"""Makes the golden arrays beside it: what Pillow, and torch's rules in numpy, make of images that are numbers from a seed.

    python3 -m venv /tmp/golden && /tmp/golden/bin/pip install pillow==12.3.0 numpy==2.4.6
    /tmp/golden/bin/python test/golden/image/make.py

cases.jsonl says what each case does (its first line: who made it), and where its bytes lie in expected.bin.gz (gzip, one array behind the other).
Pillow 13 goes down before across where the height shrinks much more than the width; Pillow 3.3 to 12, with which models
were trained, never do, and they are what is agreed with here. The difference is one rounding between the passes.

The source of a case is not kept: its bytes are the high bytes of x -> 1664525 x + 1013904223 (mod 2^32) from its seed on.
"""

import gzip
import json
import pathlib

import numpy as np
import PIL
from PIL import Image

FOLDER = pathlib.Path(__file__).parent
PILLOW = "12.3.0"
NUMPY = "2.4.6"

FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos3": Image.Resampling.LANCZOS,
    "area": Image.Resampling.BOX,
}
MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
DATATYPES = {"FP32": np.float32, "FP16": np.float16, "UINT8": np.uint8}


def source(seed, width, height, channels):
    out = np.empty(width * height * channels, np.uint8)
    x = seed
    for i in range(out.size):
        x = (1664525 * x + 1013904223) & 0xFFFFFFFF
        out[i] = x >> 24
    return out.reshape(height, width, channels)


def torch_axis(size, resized, cubic):
    """Indices and float32 weights of each output: upsample_bilinear2d / upsample_bicubic2d, align_corners=False."""
    f = np.float32
    at = f(size) / f(resized) * (np.arange(resized, dtype=f) + f(0.5)) - f(0.5)
    if not cubic:
        at = np.maximum(at, f(0))
        first = np.floor(at).astype(int)
        t = np.clip(at - first.astype(f), f(0), f(1))
        return np.stack([first, np.minimum(first + 1, size - 1)]), np.stack([f(1) - t, t])
    floor = np.floor(at)
    t = at - floor
    a = f(-0.75)

    def near(x):
        return ((a + f(2)) * x - (a + f(3))) * x * x + f(1)

    def far(x):
        return ((a * x - f(5) * a) * x + f(8) * a) * x - f(4) * a

    index = np.clip(floor.astype(int) + np.arange(-1, 3)[:, None], 0, size - 1)
    return index, np.stack([far(t + f(1)), near(t), near(f(1) - t), far(f(2) - t)])


def torch_resize(image, width, height, cubic):
    pixels = image.astype(np.float32)
    index, weight = torch_axis(image.shape[1], width, cubic)
    rows = pixels[:, index[0]] * weight[0][None, :, None]
    for i, w in zip(index[1:], weight[1:]):
        rows = rows + pixels[:, i] * w[None, :, None]
    index, weight = torch_axis(image.shape[0], height, cubic)
    out = rows[index[0]] * weight[0][:, None, None]
    for i, w in zip(index[1:], weight[1:]):
        out = out + rows[i] * w[:, None, None]
    return np.rint(np.clip(out, 0, 255)).astype(np.uint8)


def resampled(case):
    width, height, channels = case["source"]
    pixels = source(case["seed"], width, height, channels)
    image = Image.frombytes(MODES[channels], (width, height), pixels.tobytes())
    # Both drop alpha; a gray image becomes three equal channels.
    image = image.convert("L" if case["colour"] == "GRAY" else "RGB")
    if case["antialias"] or case["filter"] == "nearest" or case["resized"] == [width, height]:
        image = image.resize(tuple(case["resized"]), FILTERS[case["filter"]])
        return np.asarray(image).reshape(image.height, image.width, -1)
    plain = np.asarray(image).reshape(height, width, -1)
    return torch_resize(plain, *case["resized"], case["filter"] == "bicubic")


def expected(case):
    left, top, width, height = case["crop"]
    window = resampled(case)[top : top + height, left : left + width]
    if case["colour"] == "BGR":
        window = window[:, :, ::-1]
    tensor_width, tensor_height = case["tensor"]
    at_left, at_top = case["at"]
    tensor = np.full((tensor_height, tensor_width, window.shape[2]), case["pad"], np.float32)
    tensor[at_top : at_top + height, at_left : at_left + width] = window
    channels = window.shape[2]
    tensor = tensor * np.float32(case["scale"][:channels]) + np.float32(case["shift"][:channels])
    if case["layout"] == "NCHW":
        tensor = tensor.transpose(2, 0, 1)
    if case["datatype"] == "UINT8":
        tensor = np.rint(np.clip(tensor, 0, 255))
    return np.ascontiguousarray(tensor.astype(DATATYPES[case["datatype"]]))


def case(name, size, resized, filter="bilinear", antialias=True, crop=None, tensor=None, at=(0, 0), **rest):
    crop = crop or [0, 0, *resized]
    channels = rest.pop("channels", 3)
    return {
        "name": name,
        "seed": sum(ord(c) * 31**i for i, c in enumerate(name)) % 2**32,
        "source": [*size, channels],
        "resized": list(resized),
        "filter": filter,
        "antialias": antialias,
        "crop": list(crop),
        "tensor": list(tensor or crop[2:]),
        "at": list(at),
        "colour": "RGB",
        "layout": "NHWC",
        "datatype": "UINT8",
        "scale": [1, 1, 1],
        "shift": [0, 0, 0],
        "pad": 0,
        **rest,
    }


# Down, up, across only, down only, odd sizes, one pixel, far down, far up.
SIZES = [
    ((37, 23), (17, 11)),
    ((19, 13), (41, 31)),
    ((64, 48), (23, 48)),
    ((21, 50), (21, 17)),
    ((31, 1), (7, 5)),
    ((1, 29), (4, 13)),
    ((1, 1), (5, 3)),
    ((33, 27), (1, 1)),
    ((301, 203), (8, 6)),
    ((3, 2), (50, 33)),
    ((160, 120), (48, 36)),
]

IMAGENET = {
    "scale": [1 / (255 * s) for s in (0.229, 0.224, 0.225)],
    "shift": [-m / s for m, s in zip((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))],
}


def cases():
    for filter in FILTERS:
        for antialias in [True, False] if filter in ("bilinear", "bicubic") else [True]:
            how = f"{filter}{'' if antialias else ', no antialias'}"
            for size, resized in SIZES:
                name = f"{how}, {size[0]}x{size[1]} to {resized[0]}x{resized[1]}"
                yield case(name, size, resized, filter, antialias)
            sides = {"filter": filter, "antialias": antialias}
            for channels in (1, 2, 4):
                yield case(f"{how}, {channels} channels", (29, 31), (13, 17), channels=channels, **sides)
            yield case(f"{how}, gray", (29, 31), (40, 17), colour="GRAY", **sides)
            yield case(f"{how}, gray of alpha", (29, 31), (13, 40), colour="GRAY", channels=4, **sides)
            yield case(f"{how}, crop", (67, 51), (40, 30), crop=[9, 5, 21, 19], **sides)
            yield case(f"{how}, crop of larger", (23, 17), (61, 57), crop=[11, 31, 33, 14], **sides)
            yield case(f"{how}, letterbox", (40, 25), (24, 15), tensor=[24, 24], at=[0, 4], pad=114, **sides)
    for layout in ("NCHW", "NHWC"):
        for datatype in DATATYPES:
            form = {"layout": layout, "datatype": datatype}
            normal = IMAGENET if datatype != "UINT8" else {"scale": [0.5, 1.5, 0.25], "shift": [3.5, -20, 100]}
            for colour in ("RGB", "BGR", "GRAY"):
                name = f"{layout} {datatype} {colour}"
                yield case(f"{name}, same size", (29, 9), (29, 9), colour=colour, **form, **normal)
                yield case(f"{name}, of gray", (11, 5), (11, 5), channels=1, colour=colour, **form, **normal)
            name = f"{layout} {datatype}"
            box = {"tensor": [19, 17], "at": [2, 3], "pad": 123.675, "crop": [1, 2, 15, 11]}
            yield case(f"{name}, crop and padding", (29, 21), (17, 14), "bicubic", **box, **form, **normal)


def main():
    if PIL.__version__ != PILLOW or np.__version__ != NUMPY:
        raise SystemExit(f"needs pillow=={PILLOW} and numpy=={NUMPY}")
    rows = []
    arrays = []
    at = 0
    for row in cases():
        array = expected(row).tobytes()
        rows.append({**row, "offset": at, "bytes": len(array)})
        arrays.append(array)
        at += len(array)
    lines = [json.dumps(row) for row in [{"pillow": PILLOW, "numpy": NUMPY}, *rows]]
    (FOLDER / "cases.jsonl").write_text("\n".join(lines) + "\n")
    (FOLDER / "expected.bin.gz").write_bytes(gzip.compress(b"".join(arrays), 9, mtime=0))


if __name__ == "__main__":
    main()
