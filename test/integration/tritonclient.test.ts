import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type RunningGateway, startGateway, startGatewayOn } from '../support/gateway.ts';
import { pythonWith, runPython } from '../support/python.ts';

const PACKAGES = ['numpy==1.26.4', 'tritonclient[http]==2.58.0'];

const SYNC = `
import sys, numpy as np, tritonclient.http as http
client = http.InferenceServerClient(sys.argv[1])
assert client.is_server_live() and client.is_server_ready() and client.is_model_ready("simple")
assert "binary_tensor_data" in client.get_server_metadata()["extensions"]
assert client.get_model_metadata("simple")["inputs"][0]["shape"] == [-1, 16]
assert client.get_model_config("simple")["max_batch_size"] == 8
assert any(m["name"] == "simple" and m["state"] == "READY" for m in client.get_model_repository_index())
a = np.arange(32, dtype=np.int32).reshape(2, 16)
for binary_in in (True, False):
    for binary_out in (True, False):
        inputs = [http.InferInput(n, [2, 16], "INT32") for n in ("INPUT0", "INPUT1")]
        for i in inputs: i.set_data_from_numpy(a, binary_data=binary_in)
        outputs = [http.InferRequestedOutput(n, binary_data=binary_out) for n in ("OUTPUT0", "OUTPUT1")]
        result = client.infer("simple", inputs, outputs=outputs, request_id="r1")
        assert (result.as_numpy("OUTPUT0") == 2 * a).all() and (result.as_numpy("OUTPUT1") == 0).all()
        assert result.get_response()["id"] == "r1"
text = np.array([["", "h\\u00e9llo", "x"]], dtype=object)
for binary in (True, False):
    i = http.InferInput("INPUT0", [1, 3], "BYTES"); i.set_data_from_numpy(text, binary_data=binary)
    out = client.infer("id_bytes", [i]).as_numpy("OUTPUT0")
    assert [b.decode() for b in out.ravel()] == list(text.ravel())
half = np.array([[1.5, -2.0]], dtype=np.float16)
i = http.InferInput("INPUT0", [1, 2], "FP16"); i.set_data_from_numpy(half)
assert (client.infer("id_fp16", [i]).as_numpy("OUTPUT0") == half).all()
i = http.InferInput("INPUT0", [1, 2], "FP32"); i.set_data_from_numpy(np.array([[1, np.nan]], np.float32), binary_data=False)
assert np.isnan(client.infer("id_fp32", [i]).as_numpy("OUTPUT0")[0, 1])
i = http.InferInput("INPUT0", [1, 4], "FP32"); i.set_data_from_numpy(np.array([[1, 4, 3, 2]], np.float32))
top = client.infer("cls", [i], outputs=[http.InferRequestedOutput("OUTPUT0", class_count=2)]).as_numpy("OUTPUT0")
assert [t.decode().split(":")[1:] for t in top.ravel()] == [["1", "b"], ["2", "c"]]
try:
    client.infer("nope", [i]); raise SystemExit("no error")
except http.InferenceServerException as e: assert "nope" in str(e)
print("sync ok")
`;

const ASYNC = `
import asyncio, sys, numpy as np, tritonclient.http.aio as http
async def main():
    async with http.InferenceServerClient(sys.argv[1]) as client:
        assert await client.is_server_ready()
        assert (await client.get_model_metadata("simple"))["name"] == "simple"
        async def one(k, binary):
            a = np.full((1, 16), k, np.int32)
            inputs = [http.InferInput(n, [1, 16], "INT32") for n in ("INPUT0", "INPUT1")]
            for i in inputs: i.set_data_from_numpy(a, binary_data=binary)
            outputs = [http.InferRequestedOutput("OUTPUT0", binary_data=binary)]
            result = await client.infer("simple", inputs, outputs=outputs)
            assert (result.as_numpy("OUTPUT0") == 2 * k).all()
        await asyncio.gather(*(one(k, k % 2 == 0) for k in range(64)))
    print("aio ok")
asyncio.run(main())
`;

const FORMS = `
import sys, numpy as np, tritonclient.http as http
from tritonclient.utils import np_to_triton_dtype
client = http.InferenceServerClient(sys.argv[1])
TYPES = {"bool": np.bool_, "uint8": np.uint8, "uint16": np.uint16, "uint32": np.uint32, "uint64": np.uint64, "int8": np.int8,
  "int16": np.int16, "int32": np.int32, "int64": np.int64, "fp16": np.float16, "fp32": np.float32, "fp64": np.float64}
def extremes(kind):
    if kind == np.bool_: return [False, True, True, False]
    info = np.finfo(kind) if np.issubdtype(kind, np.floating) else np.iinfo(kind)
    return [info.min, info.max, 0, 1]
def ask(model, value, dtype, binary_in, output, **more):
    i = http.InferInput("INPUT0", list(value.shape), dtype); i.set_data_from_numpy(value, binary_data=binary_in)
    return client.infer(model, [i], outputs=None if output is None else [output], **more)
for name, kind in TYPES.items():
    dtype = np_to_triton_dtype(np.dtype(kind))
    for shape in ((1, 4), (4, 1), (2, 2)):
        value = np.array(extremes(kind), kind).reshape(shape)
        # FP16 has no JSON form; the client refuses to send it.
        ways = (True,) if name == "fp16" else (True, False)
        for binary_in in ways:
            for output in [None] + [http.InferRequestedOutput("OUTPUT0", binary_data=b) for b in ways]:
                found = ask("id_" + name, value, dtype, binary_in, output).as_numpy("OUTPUT0")
                assert found.dtype == kind and found.shape == shape and (found == value).all(), (name, shape, binary_in, found)
    empty = ask("id_" + name, np.zeros((0, 4), kind), dtype, True, None).as_numpy("OUTPUT0")
    assert empty is None or empty.size == 0
text = np.array([["", "h\\u00e9llo", "\\u65e5\\u672c"], ["x" * 1000, " ", "\\n"]], dtype=object)
for binary_in in (True, False):
    for binary_out in (True, False):
        found = ask("id_bytes", text, "BYTES", binary_in, http.InferRequestedOutput("OUTPUT0", binary_data=binary_out)).as_numpy("OUTPUT0")
        assert [b.decode() if isinstance(b, bytes) else b for b in found.ravel()] == list(text.ravel()) and found.shape == (2, 3)
# Two inputs, each in its own form, on a model of mixed datatypes.
a = http.InferInput("A", [2], "FP16"); a.set_data_from_numpy(np.array([1.5, -2], np.float16))
b = http.InferInput("B", [3], "BYTES"); b.set_data_from_numpy(np.array(["p", "", "qq"], dtype=object), binary_data=False)
pair = client.infer("pair", [b, a])
assert (pair.as_numpy("C") == np.array([1.5, -2], np.float16)).all()
assert [t.decode() for t in pair.as_numpy("D")] == ["p", "", "qq"]
# What the server made of the request, in the client's own words.
for bad, words in (([1, 3], "shape"), ([1, 2, 2], "shape")):
    i = http.InferInput("INPUT0", bad, "FP32"); i.set_data_from_numpy(np.zeros(bad, np.float32))
    try: client.infer("cls", [i]); raise SystemExit("no error")
    except http.InferenceServerException as e: assert words in str(e) and e.status() == "400", str(e)
one = http.InferInput("INPUT0", [2, 4], "FP32"); one.set_data_from_numpy(np.array([[1, 4, 3, 2], [9, 8, 7, 6]], np.float32))
for binary in (True, False):
    top = client.infer("cls", [one], outputs=[http.InferRequestedOutput("OUTPUT0", binary_data=binary, class_count=3)]).as_numpy("OUTPUT0")
    assert top.shape == (2, 3)
    words = [(t.decode() if isinstance(t, bytes) else t).split(":")[1:] for t in top.ravel()]
    assert words == [["1", "b"], ["2", "c"], ["3", "d"], ["0", "a"], ["1", "b"], ["2", "c"]], words
body, head = client.generate_request_body([one], request_id="r7")
sent = client._post(request_uri="v2/models/cls/infer", request_body=body, headers={"Inference-Header-Content-Length": head}, query_params=None)
length = sent.get("Inference-Header-Content-Length")
answer = client.parse_response_body(bytes(sent.read()), header_length=None if length is None else int(length))
assert answer.get_response()["id"] == "r7"
assert (client.infer("cls", [one], timeout=10_000_000, priority=0, headers={"X-Request-Id": "t1"}, query_params={"a": 1}).as_numpy("OUTPUT0")[0] == [1, 4, 3, 2]).all()
futures = [client.async_infer("cls", [one]) for _ in range(16)]
assert all((f.get_result().as_numpy("OUTPUT0")[1] == [9, 8, 7, 6]).all() for f in futures)
index = {m["name"]: m for m in client.get_model_repository_index()}
assert index["cls"]["state"] == "READY" and index["cls"]["version"] == "1" and "reason" not in index["cls"]
assert index["broken"]["state"] == "UNAVAILABLE" and index["broken"]["reason"]
assert not client.is_model_ready("broken") and not client.is_model_ready("nope")
assert client.get_model_metadata("cls", "1")["versions"] == ["1"]
print("forms ok")
`;

const COMPRESSION = `
import asyncio, sys, numpy as np, tritonclient.http as http, tritonclient.http.aio as aio
value = np.arange(16 * 1024, dtype=np.float32).reshape(1, -1)
WAYS = [(a, b, binary) for a in ("gzip", "deflate", None) for b in ("gzip", "deflate", None) for binary in (True, False)]
def parts(module, binary):
    i = module.InferInput("INPUT0", list(value.shape), "FP32"); i.set_data_from_numpy(value, binary_data=binary)
    return [i], [module.InferRequestedOutput("OUTPUT0", binary_data=binary)]
client = http.InferenceServerClient(sys.argv[1])
for asked, answered, binary in WAYS:
    inputs, outputs = parts(http, binary)
    found = client.infer("id_fp32", inputs, outputs=outputs, request_compression_algorithm=asked, response_compression_algorithm=answered)
    assert (found.as_numpy("OUTPUT0") == value).all(), (asked, answered, binary)
async def main():
    async with aio.InferenceServerClient(sys.argv[1]) as client:
        for asked, answered, binary in WAYS:
            inputs, outputs = parts(aio, binary)
            found = await client.infer("id_fp32", inputs, outputs=outputs, request_compression_algorithm=asked, response_compression_algorithm=answered)
            assert (found.as_numpy("OUTPUT0") == value).all(), (asked, answered, binary)
        assert (await client.get_model_config("id_fp32", headers={"Accept-Encoding": "gzip"}))["name"] == "id_fp32"
asyncio.run(main())
print("compression ok")
`;

const STATISTICS = `
import sys, numpy as np, tritonclient.http as http
client = http.InferenceServerClient(sys.argv[1])
def stats(): return client.get_inference_statistics("cls")["model_stats"][0]
before = stats()
i = http.InferInput("INPUT0", [2, 4], "FP32"); i.set_data_from_numpy(np.zeros((2, 4), np.float32))
for _ in range(3): client.infer("cls", [i])
after = stats()
assert after["inference_count"] == before["inference_count"] + 6
assert after["inference_stats"]["success"]["count"] == before["inference_stats"]["success"]["count"] + 3
assert any(m["name"] == "id_fp32" for m in client.get_inference_statistics()["model_stats"])
print("statistics ok")
`;

const PICTURES = `
import base64, json, sys, numpy as np, tritonclient.http as http
client = http.InferenceServerClient(sys.argv[1])
names = json.loads(sys.argv[3])
files = [open(f"{sys.argv[2]}/{name}", "rb").read() for name in names]
def label(row): return row[0].decode().split(":")[2]
for binary in (True, False):
    texts = files if binary else [base64.b64encode(f) for f in files]
    i = http.InferInput("image", [len(files)], "BYTES")
    i.set_data_from_numpy(np.array(texts, dtype=np.object_), binary_data=binary)
    for parameters, k in ((None, 3), ({"classification": 2}, 2)):
        classes = client.infer("digits", [i], parameters=parameters).as_numpy("probabilities")
        assert classes.shape == (len(files), k) and [label(row) for row in classes] == [name[0] for name in names]
    named = [http.InferRequestedOutput("probabilities")]
    scores = client.infer("digits", [i], outputs=named).as_numpy("probabilities")
    assert scores.dtype == np.float32 and [str(n) for n in scores.argmax(1)] == [name[0] for name in names]
try:
    i.set_data_from_numpy(np.array(files[:-1] + [b"GIF89a"], dtype=np.object_), binary_data=True)
    client.infer("digits", [i]); raise SystemExit("no error")
except http.InferenceServerException as e: assert f"'image', element {len(files) - 1}: " in str(e)
print("pictures ok")
`;

let server: RunningGateway;
let python: string;

beforeAll(async () => {
  const types = 'bool uint8 uint16 uint32 uint64 int8 int16 int32 int64 fp16 fp32 fp64 bytes'.split(' ');
  server = await startGateway(['simple', 'cls', 'pair', 'broken', ...types.map((type) => `id_${type}`)]);
  python = await pythonWith(PACKAGES);
}, 300_000);

afterAll(async () => {
  await server.stop();
});

describe('the unmodified tritonclient', () => {
  const address = () => server.inferenceUrl.replace('http://', '');

  test('works in its synchronous form', async () => {
    expect(await runPython(python, SYNC, [address()])).toContain('sync ok');
  }, 60_000);

  test('works in its asyncio form, 64 requests at once', async () => {
    expect(await runPython(python, ASYNC, [address()])).toContain('aio ok');
  }, 60_000);

  test('sends and reads every datatype in every form, classes, the index, and errors', async () => {
    expect(await runPython(python, FORMS, [address()])).toContain('forms ok');
  }, 60_000);

  test('compresses requests and answers', async () => {
    expect(await runPython(python, COMPRESSION, [address()])).toContain('compression ok');
  }, 60_000);

  test('sends pictures, as bytes or as base64, and reads their classes', async () => {
    const folder = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));
    const digits = await startGatewayOn(folder('models'));
    const images = folder('test/images');
    const names = readdirSync(images).filter((name) => /^\d-(gray|rgb|palette)/.test(name));
    const args = [digits.inferenceUrl.replace('http://', ''), images, JSON.stringify(names)];
    const said = await runPython(python, PICTURES, args);
    await digits.stop();
    expect(said).toContain('pictures ok');
  }, 60_000);

  test('reads statistics', async () => {
    expect(await runPython(python, STATISTICS, [address()])).toContain('statistics ok');
  }, 60_000);
});
