"""mosec: a row as raw float32 bytes, or as a JSON array, to /inference; dynamic batching, one worker an instance."""

import json

import numpy as np
from mosec import Server, Worker
from session import BATCH, BINARY, INSTANCES, Session

# Milliseconds that a batch waits to fill, mosec's own default; a closed loop fills it sooner.
MAX_WAIT_MS = 10


class Model(Worker):
    """One instance, in a process of its own."""

    def __init__(self):
        super().__init__()
        self._session = Session()

    def deserialize(self, data):
        return np.frombuffer(data, np.float32) if BINARY else np.array(json.loads(data), np.float32)

    def serialize(self, data):
        return data.tobytes() if BINARY else json.dumps(data.tolist()).encode()

    def forward(self, data):
        if BATCH == 1:
            return self._session.run(data)[0]
        return list(self._session.run(np.stack(data)))


if __name__ == "__main__":
    server = Server()
    wait = MAX_WAIT_MS if BATCH > 1 else 0
    server.append_worker(Model, num=INSTANCES, max_batch_size=BATCH, max_wait_time=wait)
    server.run()
