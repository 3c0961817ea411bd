"""Trains the two versions of `digits` and writes everything that stands beside them.

Data: the 1,797 scans of handwritten digits (8x8, 0..16) of the UCI optical recognition set that scikit-learn ships.
A stratified fifth is held out and used for nothing but the figures in the manifests and the golden files; what was tuned
(version 1's width, epochs and weight decay) was tuned on validation quarters of the other four fifths, and `--validate`
prints the accuracy there and writes nothing. Training scans are augmented by shifts of one pixel. Everything is seeded, in
one thread: two runs on one machine write the same bytes.

    python3 -m venv .venv && .venv/bin/pip install -r requirements.txt && .venv/bin/python train.py
"""

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import hashlib
import json
import pathlib
import sys

import numpy as np
import onnx
import onnxruntime
import sklearn
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_digits
from sklearn.model_selection import StratifiedKFold, train_test_split

HERE = pathlib.Path(__file__).parent
SEED = 20240501
GOLDEN = 32
VERSIONS = (("1", False), ("2", True))
PARAMETERS = {
    "1": {"network": "dense 64-512-10", "epochs": 60, "batch": 64, "learningRate": 0.002, "weightDecay": 1e-3, "shifts": 1},
    "2": {"network": "conv 16x3x3, conv 32x3x3, pool 2, dense 512-64-10", "epochs": 30, "batch": 64,
          "learningRate": 0.002, "weightDecay": 1e-4, "shifts": 1},
}


def shifted(images, labels):
    """The images themselves and moved by one pixel in the four directions, zeros coming in."""
    sets = [images]
    padded = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1)))
    for dy, dx in ((0, 1), (2, 1), (1, 0), (1, 2)):
        sets.append(padded[:, :, dy:dy + 8, dx:dx + 8])
    return np.concatenate(sets).astype(np.float32), np.tile(labels, len(sets))


def patches(x):
    """[n, c, h, w] to [n, h, w, c * 9]: the 3x3 neighbourhood of every pixel, zero-padded."""
    n, c, h, w = x.shape
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = np.stack([padded[:, :, i:i + h, j:j + w] for i in range(3) for j in range(3)], axis=2)
    return windows.transpose(0, 3, 4, 1, 2).reshape(n, h, w, c * 9)


def unpatch(grad, c):
    """The gradient of `patches`."""
    n, h, w, _ = grad.shape
    windows = grad.reshape(n, h, w, c, 9).transpose(0, 3, 4, 1, 2)
    padded = np.zeros((n, c, h + 2, w + 2), np.float32)
    for k in range(9):
        i, j = divmod(k, 3)
        padded[:, :, i:i + h, j:j + w] += windows[:, :, k]
    return padded[:, :, 1:-1, 1:-1]


def forward(p, x, convolutional):
    """Logits, and what the way back needs."""
    cache = {}
    if convolutional:
        for i in (1, 2):
            cache[f"in{i}"] = patches(x)
            x = np.maximum(cache[f"in{i}"] @ p[f"k{i}"] + p[f"c{i}"], 0).transpose(0, 3, 1, 2)
            cache[f"out{i}"] = x
        n, c, h, w = x.shape
        blocks = x.reshape(n, c, h // 2, 2, w // 2, 2).transpose(0, 1, 2, 4, 3, 5).reshape(n, c, h // 2, w // 2, 4)
        cache["arg"] = blocks.argmax(-1)
        x = blocks.max(-1)
    cache["flat"] = x.reshape(len(x), -1)
    cache["hidden"] = np.maximum(cache["flat"] @ p["w1"] + p["b1"], 0)
    return cache["hidden"] @ p["w2"] + p["b2"], cache


def backward(p, cache, d, convolutional):
    """Gradients of every parameter, from the gradient of the logits."""
    g = {"w2": cache["hidden"].T @ d, "b2": d.sum(0)}
    d = (d @ p["w2"].T) * (cache["hidden"] > 0)
    g["w1"], g["b1"] = cache["flat"].T @ d, d.sum(0)
    if not convolutional:
        return g
    n, c, h, w = cache["out2"].shape
    d = (d @ p["w1"].T).reshape(n, c, h // 2, w // 2)
    spread = np.zeros((n, c, h // 2, w // 2, 4), np.float32)
    np.put_along_axis(spread, cache["arg"][..., None], d[..., None], -1)
    d = spread.reshape(n, c, h // 2, w // 2, 2, 2).transpose(0, 1, 2, 4, 3, 5).reshape(n, c, h, w)
    for i in (2, 1):
        d = (d * (cache[f"out{i}"] > 0)).transpose(0, 2, 3, 1)
        columns = cache[f"in{i}"].reshape(-1, cache[f"in{i}"].shape[-1])
        g[f"k{i}"] = columns.T @ d.reshape(-1, d.shape[-1])
        g[f"c{i}"] = d.sum((0, 1, 2))
        if i == 2:
            d = unpatch(d @ p["k2"].T, 16)
    return g


def train(images, labels, settings, convolutional):
    """Adam on the cross entropy, the learning rate falling to zero along a cosine."""
    rng = np.random.default_rng(SEED)
    shapes = {"w1": (512, 64), "w2": (64, 10)} if convolutional else {"w1": (64, 512), "w2": (512, 10)}
    if convolutional:
        shapes |= {"k1": (9, 16), "k2": (144, 32)}
    p = {}
    for name, shape in shapes.items():
        p[name] = (rng.normal(size=shape) * np.sqrt(2 / shape[0])).astype(np.float32)
        p[name.replace("w", "b").replace("k", "c")] = np.zeros(shape[1], np.float32)
    m = {k: np.zeros_like(v) for k, v in p.items()}
    v = {k: np.zeros_like(w) for k, w in p.items()}
    x, y = shifted(images, labels)
    step, steps = 0, settings["epochs"] * (len(x) // settings["batch"])
    for _ in range(settings["epochs"]):
        order = rng.permutation(len(x))
        for start in range(0, len(x) - settings["batch"] + 1, settings["batch"]):
            rows = order[start:start + settings["batch"]]
            logits, cache = forward(p, x[rows], convolutional)
            d = softmax(logits)
            d[np.arange(len(rows)), y[rows]] -= 1
            g = backward(p, cache, (d / len(rows)).astype(np.float32), convolutional)
            step += 1
            rate = settings["learningRate"] * 0.5 * (1 + np.cos(np.pi * step / steps))
            for k in p:
                grad = g[k] + settings["weightDecay"] * p[k]
                m[k] = 0.9 * m[k] + 0.1 * grad
                v[k] = 0.999 * v[k] + 0.001 * grad * grad
                p[k] = (p[k] - rate * (m[k] / (1 - 0.9**step)) / (np.sqrt(v[k] / (1 - 0.999**step)) + 1e-8)).astype(np.float32)
    return p


def softmax(logits):
    e = np.exp(logits - logits.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def to_onnx(p, convolutional):
    nodes, names = [], ["w1", "b1", "w2", "b2"]
    source = "image"
    if convolutional:
        for i, (inward, outward) in ((1, (1, 16)), (2, (16, 32))):
            # Columns of a patch are ordered channel, row, column: transposed they are ONNX's kernel layout.
            p[f"kernel{i}"] = p[f"k{i}"].T.reshape(outward, inward, 3, 3).copy()
            names += [f"kernel{i}", f"c{i}"]
            nodes.append(helper.make_node("Conv", [source, f"kernel{i}", f"c{i}"], [f"conv{i}"], pads=[1, 1, 1, 1]))
            nodes.append(helper.make_node("Relu", [f"conv{i}"], [f"relu{i}"]))
            source = f"relu{i}"
        nodes.append(helper.make_node("MaxPool", [source], ["pool"], kernel_shape=[2, 2], strides=[2, 2]))
        source = "pool"
    nodes += [
        helper.make_node("Flatten", [source], ["flat"], axis=1),
        helper.make_node("Gemm", ["flat", "w1", "b1"], ["sum1"]),
        helper.make_node("Relu", ["sum1"], ["hidden"]),
        helper.make_node("Gemm", ["hidden", "w2", "b2"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "digits",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 1, 8, 8])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", 10])],
        [numpy_helper.from_array(p[name], name) for name in names],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="penstock")
    onnx.checker.check_model(model)
    return model.SerializeToString()


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    data = content if isinstance(content, bytes) else (json.dumps(content, separators=(",", ":")) + "\n").encode()
    path.write_bytes(data)
    return {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}


def publish(version, model, images, labels, data_digest):
    """model.onnx, golden files and manifest of one version. @returns held-out accuracy"""
    folder = HERE / version
    session = onnxruntime.InferenceSession(model)
    probabilities = session.run(None, {"image": images})[0]
    accuracy = float((probabilities.argmax(1) == labels).mean())
    files = {"model.onnx": write(folder / "model.onnx", model)}
    for i in range(GOLDEN):
        request = {"inputs": [{"name": "image", "shape": [1, 1, 8, 8], "datatype": "FP32",
                               "data": [float(v) for v in images[i].ravel()]}]}
        row = session.run(None, {"image": images[i:i + 1]})[0][0]
        response = {"model_name": "digits", "model_version": version, "outputs": [
            {"name": "probabilities", "datatype": "FP32", "shape": [1, 10], "data": [float(v) for v in row]}]}
        for kind, document in (("request", request), ("response", response)):
            name = f"golden/{i:02d}.{kind}.json"
            files[name] = write(folder / name, document)
    files["golden/labels.json"] = write(folder / "golden/labels.json", [int(v) for v in labels[:GOLDEN]])
    tensor = lambda name, shape: {"name": name, "datatype": "FP32", "shape": shape}
    manifest = {
        "model": "digits",
        "version": version,
        "signature": {"inputs": [tensor("image", [-1, 1, 8, 8])], "outputs": [tensor("probabilities", [-1, 10])]},
        "files": files,
        "lineage": {
            "data": {"name": "UCI optical recognition of handwritten digits, test part",
                     "source": "sklearn.datasets.load_digits", "samples": 1797, "sha256": data_digest},
            "script": {"path": "models/digits/train.py",
                       "sha256": hashlib.sha256(pathlib.Path(__file__).read_bytes()).hexdigest()},
            "seed": SEED,
            "heldOut": "a stratified fifth, by the seed",
            "parameters": PARAMETERS[version],
            "packages": {"numpy": np.__version__, "onnx": onnx.__version__, "scikit-learn": sklearn.__version__,
                         "onnxruntime": onnxruntime.__version__},
        },
        "metrics": {"heldOut": {"accuracy": round(accuracy, 4), "samples": len(labels)}},
    }
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")
    return accuracy


def validate(images, labels):
    """Prints the accuracy of each version on every quarter of the training part, trained on the other three."""
    quarters = list(StratifiedKFold(4, shuffle=True, random_state=SEED).split(images, labels))
    for version, convolutional in VERSIONS:
        scores = []
        for rest, quarter in quarters:
            parameters = train(images[rest], labels[rest], PARAMETERS[version], convolutional)
            logits, _ = forward(parameters, images[quarter], convolutional)
            scores.append(float((logits.argmax(1) == labels[quarter]).mean()))
        print(f"digits {version}: validation accuracy {np.mean(scores):.4f}, by quarter {[round(s, 4) for s in scores]}")


def main():
    digits = load_digits()
    digest = hashlib.sha256(digits.images.astype("<f8").tobytes() + digits.target.astype("<i8").tobytes()).hexdigest()
    images = (digits.images / 16).astype(np.float32).reshape(-1, 1, 8, 8)
    images, held, labels, held_labels = train_test_split(
        images, digits.target, test_size=0.2, random_state=SEED, stratify=digits.target)
    if "--validate" in sys.argv[1:]:
        validate(images, labels)
        return
    for version, convolutional in VERSIONS:
        parameters = train(images, labels, PARAMETERS[version], convolutional)
        accuracy = publish(version, to_onnx(parameters, convolutional), held, held_labels, digest)
        print(f"digits {version}: held-out accuracy {accuracy:.4f} on {len(held)}")
    (HERE / "labels.txt").write_text("".join(f"{i}\n" for i in range(10)))


if __name__ == "__main__":
    main()
