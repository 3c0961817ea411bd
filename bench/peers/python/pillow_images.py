"""Pillow and numpy: a JPEG to the tensor that torchvision's classifiers take. `JPEG`, then seconds by line; microseconds of one by line."""

import io
import sys
import time

import numpy as np
from PIL import Image

JPEG = open(sys.argv[1], "rb").read()
SHORT, SIDE = 256, 224
MEAN = np.array([0.485, 0.456, 0.406], np.float32)
STD = np.array([0.229, 0.224, 0.225], np.float32)


def tensor():
    picture = Image.open(io.BytesIO(JPEG)).convert("RGB")
    width, height = picture.size
    scaled = (int(SHORT * width / height), SHORT) if width > height else (SHORT, int(SHORT * height / width))
    picture = picture.resize(scaled, Image.Resampling.BILINEAR)
    left, top = round((scaled[0] - SIDE) / 2), round((scaled[1] - SIDE) / 2)
    values = np.asarray(picture.crop((left, top, left + SIDE, top + SIDE)), np.float32) / np.float32(255)
    return np.ascontiguousarray(((values - MEAN) / STD).transpose(2, 0, 1))


first = tensor()
print(" ".join(str(value) for value in (first.shape[0], first.shape[1], first.shape[2], float(first.sum(dtype=np.float64)))), flush=True)
for line in sys.stdin:
    seconds = float(line)
    started = time.perf_counter()
    count = 0
    while time.perf_counter() - started < seconds:
        tensor()
        count += 1
    print((time.perf_counter() - started) * 1e6 / count, flush=True)
