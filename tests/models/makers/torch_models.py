"""One module, forward(z, x), in every format in which PyTorch saves it."""

import sys
import warnings
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

out = Path(sys.argv[1])
SOURCE = """
from torch import nn


class Net(nn.Module):
    def __init__(self, width=3):
        super().__init__()
        self.first = nn.Linear(width, 2)
        self.second = nn.Linear(2, 2)
        self.dropout = nn.Dropout(0.5)

    def forward(self, z, x, scale: float = 1.0):
        return self.dropout(self.first(z)) * scale, self.second(x)

    def half(self, x):
        return self.second(x) / 2
"""
FORMATS = ("torchscript", "export", "state_dict", "safetensors", "pickle")
for name in FORMATS:
    (out / name).mkdir()
    (out / name / "net.py").write_text(SOURCE)
sys.path.insert(0, str(out / "pickle"))
from net import Net  # noqa: E402  # the file is made above

torch.manual_seed(7)
net = Net().eval()
rng = np.random.default_rng(7)
z, x = rng.random((5, 3), "f4"), rng.random((5, 2), "f4")
tensors = torch.from_numpy(z), torch.from_numpy(x)

warnings.simplefilter("ignore", DeprecationWarning)
torch.jit.script(net).save(out / "torchscript" / "model.pt")
rows = {0: torch.export.Dim("rows")}
program = torch.export.export(net, tensors, dynamic_shapes={"z": rows, "x": rows})
torch.export.save(program, out / "export" / "model.pt2")
torch.save({"state_dict": net.state_dict(), "epoch": 3}, out / "state_dict" / "model.pt")
save_file(net.state_dict(), out / "safetensors" / "model.safetensors")
torch.save(net, out / "pickle" / "model.pt")

with torch.inference_mode():
    first, second = net(*tensors)
    half = net.half(tensors[1])
np.savez(out / "reference.npz", z=z, x=x, first=first.numpy(), second=second.numpy(), half=half.numpy())
