"""The ONNX model that every Python rival serves: one intra-op thread an instance and no spinning, as ours runs it.

What to serve comes from the environment: PEER_MODEL (path), PEER_SHAPE (a row's dims, by commas), PEER_INSTANCES,
PEER_BATCH (rows at most), PEER_PORT and PEER_FORM (binary or json).
"""

import os

import numpy as np
import onnxruntime as ort

INSTANCES = int(os.environ["PEER_INSTANCES"])
BATCH = int(os.environ["PEER_BATCH"])
PORT = int(os.environ["PEER_PORT"])
BINARY = os.environ["PEER_FORM"] == "binary"
SHAPE = tuple(int(dim) for dim in os.environ["PEER_SHAPE"].split(","))


class Session:
    """Runs rows of any layout as one batch."""

    def __init__(self):
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = ort.InferenceSession(os.environ["PEER_MODEL"], options, ["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0].name

    def run(self, rows: np.ndarray) -> np.ndarray:
        """Float32 rows in, float32 rows out."""
        batch = np.ascontiguousarray(rows, np.float32).reshape((-1, *SHAPE))
        return self._session.run(None, {self._input: batch})[0]
