"""Readers of model files: what a file says of its model, without running it and without its framework.

Each reader looks at a file's metadata alone, however large the file is, and gives `ModelFacts`. What is
truncated, of another kind or hostile raises `DescribeError`. Nothing here imports, unpickles or calls what a
file names.
"""

from dlhub_client.describe.readers.facts import Length, ModelFacts, Shape, Signature, Tensor
from dlhub_client.describe.readers.problems import DescribeError

__all__ = ["DescribeError", "Length", "ModelFacts", "Shape", "Signature", "Tensor"]
