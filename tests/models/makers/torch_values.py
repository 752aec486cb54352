"""Real tensors as inputs and outputs of the client: run with the environment of torch.

Arguments: folders to look for the client and its own dependencies in, after torch's.
"""

from __future__ import annotations

import json
import sys

sys.path += sys.argv[1:]

import numpy as np
import torch

from dlhub_client.values import receiving, sending
from dlhub_client.values.kinds import is_plain, kind_of
from proto_msgs.arguments import Argument

ARRAY = Argument(type="ndarray")
VALUES = [1.0, 2.5, -3.0]


def tensors() -> dict[str, torch.Tensor]:
    """The same numbers in every form that NumPy does not take by itself."""
    plain = torch.tensor(VALUES)
    return {
        "plain": plain,
        "with gradient": plain.clone().requires_grad_() * 1,
        "parameter": torch.nn.Parameter(plain),
        "bfloat16": plain.to(torch.bfloat16),
        "sparse": plain.to_sparse(),
        "conjugated": torch.complex(plain, plain * 0).conj(),
        "strided": torch.stack((plain, plain), dim=1)[:, 0],
    }


found = {}
for name, tensor in tensors().items():
    assert kind_of(tensor) == "tensor" and not is_plain([tensor]), name
    found[name] = np.real(sending.converted(tensor, ARRAY)).tolist()
found["stacked"] = sending.converted([torch.tensor(VALUES)], ARRAY)[0].tolist()
found["scalar"] = [sending.converted(torch.tensor(2.5), Argument(type="float"))]
back = receiving.given_as({"x": np.array(VALUES), "y": [[1, 2]]}, "torch")
assert isinstance(back["x"], torch.Tensor) and back["y"].tolist() == [[1, 2]]
found["back"] = back["x"].tolist()
sys.stdout.write(json.dumps(found))
