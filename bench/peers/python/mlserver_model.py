"""MLServer: a custom runtime over Open Inference JSON; adaptive batching is in its model-settings.json."""

from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse
from session import Session


class Model(MLModel):
    """One instance."""

    async def load(self) -> bool:
        self._session = Session()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        rows = self._session.run(NumpyCodec.decode_input(payload.inputs[0]))
        output = NumpyCodec.encode_output(self.settings.outputs[0].name, rows)
        return InferenceResponse(model_name=self.name, outputs=[output])
