"""BentoML: {"rows": [[...]]} to /infer; adaptive batching, one worker an instance."""

from typing import Annotated

import bentoml
import numpy as np
from bentoml.validators import DType
from session import BATCH, INSTANCES, Session

# Longer than any answer takes here: a shorter one makes the batcher refuse requests.
MAX_LATENCY_MS = 60_000

Rows = Annotated[np.ndarray, DType("float32")]


@bentoml.service(
    workers=INSTANCES,
    traffic={"timeout": 60},
    logging={"access": {"enabled": False}},
    metrics={"enabled": False},
)
class Model:
    """One instance, in a process of its own."""

    def __init__(self):
        self._session = Session()

    @bentoml.api(batchable=True, max_batch_size=BATCH, max_latency_ms=MAX_LATENCY_MS)
    def infer(self, rows: Rows) -> Rows:
        return self._session.run(rows)
