import { afterAll, beforeAll, expect, test } from 'vitest';
import { type RunningGateway, startGateway } from '../support/gateway.ts';
import { pythonWith, runPython } from '../support/python.ts';

/** What `import kserve` touches; all that it asks for would be twice as much. */
const PACKAGES =
  `kserve==0.15.2 annotated-types==0.7.0 anyio==4.8.0 cachetools==5.5.2 certifi==2025.1.31 charset-normalizer==3.4.1
  click==8.1.8 cloudevents==1.11.0 deprecation==2.1.0 durationpy==0.9 fastapi==0.115.8 google-auth==2.38.0
  grpc-interceptor==0.15.4 grpcio==1.70.0 h11==0.14.0 httpcore==1.0.7 httpx==0.27.2 idna==3.10 kubernetes==32.0.0
  numpy==1.26.4 oauthlib==3.2.2 orjson==3.10.15 packaging==24.2 pandas==2.2.3 prometheus-client==0.20.0
  protobuf==4.25.6 psutil==5.9.8 pyasn1==0.6.1 pyasn1-modules==0.4.1 pydantic==2.10.6 pydantic-core==2.27.2
  python-dateutil==2.9.0.post0 pytz==2025.1 PyYAML==6.0.2 requests==2.32.3 requests-oauthlib==2.0.0 rsa==4.9
  six==1.17.0 sniffio==1.3.1 starlette==0.45.3 tabulate==0.9.0 timing-asgi==0.3.1 typing-extensions==4.12.2
  tzdata==2025.1 urllib3==2.3.0 uvicorn==0.30.6 websocket-client==1.8.0`.split(/\s+/);

const SCRIPT = `
import asyncio, sys, httpx, numpy as np
from kserve import InferenceRESTClient, RESTConfig, InferRequest, InferInput
from kserve.protocol.infer_type import RequestedOutput
base = sys.argv[1]
async def main():
    client = InferenceRESTClient(RESTConfig(protocol="v2", retries=0, timeout=10))
    assert await client.is_server_live(base) is True
    assert await client.is_server_ready(base) is True
    assert await client.is_model_ready(base, "simple") is True
    assert await client.is_model_ready(base, "broken") is False
    async def infer(model, inputs, **more):
        request = InferRequest(model_name=model, infer_inputs=inputs, **more)
        headers = {}
        answer = await client.infer(base, request, model_name=model, response_headers=headers)
        assert answer.model_name == model, answer
        return answer, headers
    a = np.arange(32, dtype=np.int32).reshape(2, 16)
    for binary in (True, False):
        inputs = [InferInput(n, [2, 16], "INT32") for n in ("INPUT0", "INPUT1")]
        for i in inputs: i.set_data_from_numpy(a, binary_data=binary)
        answer, headers = await infer("simple", inputs, request_id="k1")
        assert answer.id == "k1" and len(answer.outputs) == 2
        assert (answer.outputs[0].as_numpy() == 2 * a).all() and (answer.outputs[1].as_numpy() == 0).all()
        for asked in (True, False):
            answer, headers = await infer("simple", inputs, request_outputs=[RequestedOutput("OUTPUT0", {"binary_data": asked})])
            assert [o.name for o in answer.outputs] == ["OUTPUT0"]
            assert (answer.outputs[0].as_numpy() == 2 * a).all()
            assert ("inference-header-content-length" in headers) is asked, headers
    for model, dtype, numbers in (("id_fp32", "FP32", np.float32), ("id_fp64", "FP64", np.float64), ("id_int64", "INT64", np.int64), ("id_uint8", "UINT8", np.uint8), ("id_bool", "BOOL", np.bool_), ("id_fp16", "FP16", np.float16)):
        value = np.array([[0, 1, 1, 0]]).astype(numbers)
        # FP16 has no JSON form, in their client as in the protocol.
        for binary in ((True,) if dtype == "FP16" else (True, False)):
            i = InferInput("INPUT0", [1, 4], dtype); i.set_data_from_numpy(value, binary_data=binary)
            answer, _ = await infer(model, [i], parameters={"binary_data_output": True} if dtype == "FP16" else None)
            found = answer.outputs[0].as_numpy()
            assert found.shape == (1, 4) and (found == value).all(), (model, binary, found)
    text = np.array([["", "h\\u00e9llo", "x"]], dtype=object)
    for binary in (True, False):
        i = InferInput("INPUT0", [1, 3], "BYTES"); i.set_data_from_numpy(text, binary_data=binary)
        answer, _ = await infer("id_bytes", [i])
        found = [b.decode() if isinstance(b, bytes) else b for b in answer.outputs[0].as_numpy().ravel()]
        assert found == list(text.ravel()), found
    # A plain document, as one would write it by hand.
    raw = {"inputs": [{"name": "INPUT0", "shape": [1, 2], "datatype": "FP32", "data": [1.5, -2]}], "id": None, "parameters": None, "outputs": None}
    plain = await client.infer(base, raw, model_name="id_fp32")
    outputs = plain["outputs"] if isinstance(plain, dict) else [o.to_dict() for o in plain.outputs]
    assert outputs[0]["data"] == [1.5, -2.0], outputs
    # Errors carry our sentence.
    bad = InferInput("INPUT0", [1, 3], "FP32", data=[1.0, 2.0])
    try:
        await infer("id_fp32", [bad]); raise SystemExit("no error")
    except httpx.HTTPStatusError as e:
        assert e.response.status_code == 400 and "expects 3 elements" in str(e), str(e)
    async def one(k):
        i = InferInput("INPUT0", [1, 1], "FP32"); i.set_data_from_numpy(np.array([[k]], np.float32), binary_data=k % 2 == 0)
        answer, _ = await infer("id_fp32", [i]); assert answer.outputs[0].as_numpy()[0, 0] == k
    await asyncio.gather(*(one(k) for k in range(64)))
    await client.close()
    print("kserve ok")
asyncio.run(main())
`;

let server: RunningGateway;
let python: string;

beforeAll(async () => {
  const identities = ['fp32', 'fp64', 'int64', 'uint8', 'bool', 'fp16', 'bytes'].map((name) => `id_${name}`);
  server = await startGateway(['simple', 'broken', ...identities]);
  python = await pythonWith(PACKAGES, { bare: true });
}, 300_000);

afterAll(() => server.stop());

test('the unmodified InferenceRESTClient of kserve works', async () => {
  expect(await runPython(python, SCRIPT, [server.inferenceUrl])).toContain('kserve ok');
}, 60_000);
