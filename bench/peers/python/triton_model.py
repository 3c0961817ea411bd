"""Triton's Python backend: the requests of a dynamic batch run as one, and their rows are given back in order."""

import json
import os
import sys

# The backend's interpreter is isolated: it takes no PYTHONPATH.
sys.path[:0] = os.environ["PEER_PATH"].split(":")

import numpy as np
import triton_python_backend_utils as pb_utils
from session import Session


class TritonPythonModel:
    """One instance, in a process of its own."""

    def initialize(self, args):
        config = json.loads(args["model_config"])
        self._input = config["input"][0]["name"]
        self._output = config["output"][0]["name"]
        self._session = Session()

    def execute(self, requests):
        inputs = [pb_utils.get_input_tensor_by_name(request, self._input).as_numpy() for request in requests]
        rows = self._session.run(inputs[0] if len(inputs) == 1 else np.concatenate(inputs))
        answers, first = [], 0
        for one in inputs:
            part = rows[first : first + len(one)]
            first += len(one)
            answers.append(pb_utils.InferenceResponse([pb_utils.Tensor(self._output, part)]))
        return answers
