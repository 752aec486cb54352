"""Describes files of 500 MB and prints how long each took and how much memory; goal: 2 s and 200 MB.

    python measure_large.py [folder]

The files are made from the small ones beside it. Every description runs in a process of its own; its time
counts from the import of `dlhub_client.describe`, its memory is the process' peak.
"""

from __future__ import annotations

import pickle
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np

HERE = Path(__file__).parent
SIZE = 500 * 10**6
CODE = """
import sys, time
start = time.perf_counter()
from dlhub_client import describe
helper, path, more = sys.argv[1], sys.argv[2], eval(sys.argv[3])
document = getattr(describe, helper)(path, **more).to_dict()
took = time.perf_counter() - start
status = dict(line.split(":", 1) for line in open("/proc/self/status"))  # rusage would count the parent
peak = int(status["VmHWM"].split()[0]) / 1000
frameworks = [name for name in ("tensorflow", "keras", "torch", "sklearn") if name in sys.modules]
print(f"{took:.2f} s  {peak:.0f} MB  {document['servable'].get('parameter_count')} parameters  {frameworks}")
"""


def noise(size: int) -> bytes:
    return np.random.default_rng(0).bytes(size)


def hdf5(folder: Path) -> Path:
    """A large array more in a Keras model's file."""
    path = folder / "large.h5"
    shutil.copy(HERE / "two.h5", path)
    with h5py.File(path, "a") as file:
        file["model_weights/energy/large"] = np.frombuffer(noise(SIZE), np.float32)
    return path


def keras_archive(folder: Path) -> Path:
    path = folder / "large.keras"
    weights = folder / "weights.h5"
    with zipfile.ZipFile(HERE / "cnn.keras") as small, zipfile.ZipFile(path, "w") as large:
        weights.write_bytes(small.read("model.weights.h5"))
        with h5py.File(weights, "a") as file:
            file["layers/dense/vars/2"] = np.frombuffer(noise(SIZE), np.float32)
        for name in ("config.json", "metadata.json"):
            large.writestr(name, small.read(name))
        large.write(weights, "model.weights.h5")
    return path


def saved_model(folder: Path) -> Path:
    """The variables' numbers are many; their index is not."""
    path = folder / "large_saved"
    shutil.copytree(HERE / "saved", path)
    with next((path / "variables").glob("*.data-*")).open("ab") as file:
        file.write(noise(SIZE))
    return path


def frozen_saved_model(folder: Path) -> Path:
    """A node of the graph holds a constant of 500 MB."""
    path = folder / "frozen_saved"
    shutil.copytree(HERE / "saved", path)
    tensor = field(8, field(4, noise(SIZE)))
    constant = field(1, b"large") + field(2, b"Const") + field(5, field(1, b"value") + field(2, tensor))
    file = path / "saved_model.pb"
    file.write_bytes(with_node(file.read_bytes(), constant))
    return path


def field(number: int, content: bytes) -> bytes:
    """A field of bytes in protocol buffers."""
    return bytes([number << 3 | 2]) + varint(len(content)) + content


def varint(value: int) -> bytes:
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])


def with_node(model: bytes, node: bytes) -> bytes:
    """The graph is merged with a second part that holds the node."""
    from dlhub_client.describe.readers.protobuf import Message

    graph = bytes(Message(memoryview(model)).views(2)[0])
    definition = bytes(Message(memoryview(graph)).views(2)[0])
    merged = graph.replace(field(2, definition), field(2, definition + field(1, node)))
    return model.replace(field(2, graph), field(2, merged))


def torch_script(folder: Path) -> Path:
    """The storages of a module are many times as long."""
    path = folder / "large.pt"
    with zipfile.ZipFile(HERE / "script.pt") as small, zipfile.ZipFile(path, "w") as large:
        for one in small.infolist():
            content = noise(SIZE) if one.filename == "script/data/1" else small.read(one)
            large.writestr(one.filename, content, one.compress_type)
    return path


def big_pickle(folder: Path) -> Path:
    """An estimator with 500 MB of coefficients."""
    from sklearn.linear_model import LinearRegression

    path = folder / "large.pkl"
    model = LinearRegression()
    model.coef_, model.n_features_in_ = np.frombuffer(noise(SIZE)), 3
    path.write_bytes(pickle.dumps(model, 4))
    return path


CASES: list[tuple[str, Callable[[Path], Path], str]] = [
    ("keras_model", hdf5, "{}"),
    ("keras_model", keras_archive, "{}"),
    ("tensorflow_model", saved_model, "{}"),
    ("tensorflow_model", frozen_saved_model, "{}"),
    ("torch_model", torch_script, "{'input_shape': [None, 4]}"),
    ("sklearn_model", big_pickle, "{}"),
]


def main() -> None:
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as name:
        for helper, make, more in CASES:
            path = make(Path(name))
            command = [sys.executable, "-c", CODE, helper, str(path), more]
            ran = subprocess.run(command, capture_output=True, text=True)
            sys.stdout.write(f"{make.__name__:20} {ran.stdout or ran.stderr}")
            shutil.rmtree(path) if path.is_dir() else path.unlink()


if __name__ == "__main__":
    main()
