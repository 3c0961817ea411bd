"""LitServe: {"input": [...]} to /predict; batching, one worker an instance, its quick queue."""

import litserve as ls
import numpy as np
from session import BATCH, INSTANCES, PORT, Session

BATCH_TIMEOUT_S = 0.001
REQUEST_TIMEOUT_S = 60


class Model(ls.LitAPI):
    """One instance, in a process of its own."""

    def setup(self, device):
        self._session = Session()

    def decode_request(self, request):
        return np.array(request["input"], np.float32)

    def batch(self, inputs):
        return np.stack(inputs)

    def predict(self, x):
        return self._session.run(x)

    def unbatch(self, output):
        return list(output)

    def encode_response(self, output):
        return {"output": output.tolist()}


if __name__ == "__main__":
    api = Model(max_batch_size=BATCH, batch_timeout=BATCH_TIMEOUT_S)
    server = ls.LitServer(
        api, accelerator="cpu", workers_per_device=INSTANCES, timeout=REQUEST_TIMEOUT_S, fast_queue=True
    )
    server.run(host="127.0.0.1", port=PORT, generate_client_file=False, log_level="warning", access_log=False)
