"""BentoML with a no-op; served by the `bentoml` of its own environment."""

import bentoml


@bentoml.service(workers=1, logging={"access": {"enabled": False}}, metrics={"enabled": False})
class NoOp:
    @bentoml.api
    def run(self, inputs: str) -> str:
        return "Hello World"
