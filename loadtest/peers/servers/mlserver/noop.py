"""MLServer with a no-op; run by the Python of its own environment."""

from mlserver import MLModel
from mlserver.codecs import StringCodec
from mlserver.types import InferenceResponse


class NoOp(MLModel):
    async def load(self):
        return True

    async def predict(self, payload):
        output = StringCodec.encode_output("output", ["Hello World"])
        return InferenceResponse(model_name=self.name, outputs=[output])
