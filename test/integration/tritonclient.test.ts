import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type RunningGateway, startGateway } from '../support/gateway.ts';
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

let server: RunningGateway;
let python: string;

beforeAll(async () => {
  server = await startGateway(['simple', 'id_bytes', 'id_fp16', 'id_fp32', 'cls']);
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
});
