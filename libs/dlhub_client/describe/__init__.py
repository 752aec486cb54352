"""Builders of descriptions (dlhub.json): from a model in a file, a pickled object or a function.

    from dlhub_client import describe

    model = describe.keras_model("cnn.keras", title="Species in pictures", creators=["Fisher, Ronald"])
    hub.publish_servable(model)

Each gives a `ModelDescription`, whose setters return it again so that they can be chained. Files are read
and never run, and no framework is needed: importing this loads neither NumPy nor scikit-learn. What a file
does not tell, the error or the description's `missing` asks for. `look` tells what a file seems to be.
"""

from dlhub_client.describe.arguments import argument, from_hint
from dlhub_client.describe.frameworks import (
    keras_model,
    lightgbm_model,
    onnx_model,
    tensorflow_model,
    xgboost_model,
)
from dlhub_client.describe.from_file import FileDescription, SuspiciousFile
from dlhub_client.describe.functions import static_method
from dlhub_client.describe.looking import Finding, look
from dlhub_client.describe.metadata import ModelDescription
from dlhub_client.describe.pickles import class_method
from dlhub_client.describe.pipelines import Step, pipeline, step
from dlhub_client.describe.readers.problems import DescribeError
from dlhub_client.describe.sklearn_models import sklearn_model
from dlhub_client.describe.torch_models import torch_model

__all__ = [
    "DescribeError", "FileDescription", "Finding", "ModelDescription", "Step", "SuspiciousFile", "argument",
    "class_method", "from_hint", "keras_model", "lightgbm_model", "look", "onnx_model", "pipeline",
    "sklearn_model", "static_method", "step", "tensorflow_model", "torch_model", "xgboost_model",
]  # fmt: skip
