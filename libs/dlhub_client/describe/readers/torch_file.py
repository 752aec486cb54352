"""PyTorch's files: TorchScript and export archives, pickled state dicts and modules, safetensors.

Since version 1.6 `torch.save` writes a zip archive whose `data.pkl` names storages that lie beside it; before
that, five pickles one after another. Both are read by the machine that calls nothing.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

from dlhub_client.describe.readers import torch_code
from dlhub_client.describe.readers.bounded import existing_file, member, opened_zip, start_of
from dlhub_client.describe.readers.facts import ModelFacts, Signature, Tensor
from dlhub_client.describe.readers.pickle_file import Pickled, pickle_in, read_pickle_stream
from dlhub_client.describe.readers.pickle_source import Source
from dlhub_client.describe.readers.pickle_values import Made, class_of, entries_of, simple, state_of
from dlhub_client.describe.readers.problems import DescribeError, truncated, unreadable
from dlhub_client.describe.readers.safetensors import is_safetensors, read_safetensors
from dlhub_client.describe.readers.torch_export import export_facts, is_export
from dlhub_client.describe.readers.torch_tensors import (
    NamedTensor,
    parameter_count,
    storage_bytes,
    tensor_of,
    tensor_table,
    tensors_in,
)

KIND, HELPER = "Torch Model", "torch_model"
_WHAT = "a file of PyTorch (TorchScript, torch.export, a state dict or safetensors)"
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_STATES = ("state_dict", "model_state_dict", "model")
"""Where checkpoints keep the weights, beside epochs and optimisers."""
_CODE_BYTES = 16 * 2**20
NO_SHAPES = (
    "TorchScript keeps no shapes: give input_shape=[None, ...] (None where any length will do), or "
    'inputs=describe.argument("ndarray", shape=..., dtype=...)'
)
NO_CLASS = (
    'a state dict holds weights alone: give model_class="module.Class", with its file in files, '
    "input_shape=[None, ...] and output_shape"
)


def read_torch(path: str | Path) -> ModelFacts:
    """What a file of PyTorch says. Raises DescribeError."""
    file = existing_file(path)
    start = start_of(file)
    if start[:2] == b"PK":
        return _read_archive(file)
    if is_safetensors(file):
        return read_safetensors(file)
    return _read_legacy(file)


def _read_archive(path: Path) -> ModelFacts:
    with opened_zip(path, _WHAT) as archive:
        names = set(archive.namelist())
        if is_export(names):
            return export_facts(archive, path)
        data = next(
            (name for name in sorted(names) if name.endswith("/data.pkl") or name == "data.pkl"), None
        )
        if data is None:
            raise unreadable(path, _WHAT, "an archive without data.pkl or models/model.json")
        prefix = data.removesuffix("data.pkl")
        pickled = read_pickle_stream(io.BytesIO(member(archive, data)), path)
        if f"{prefix}constants.pkl" in names:
            return _script(archive, prefix, pickled, path)
    return _saved(pickled, path)


# --- TorchScript ---


def _script(archive: zipfile.ZipFile, prefix: str, pickled: Pickled, path: Path) -> ModelFacts:
    code = _code(archive, prefix)
    kind = class_of(pickled.value)
    if kind is None:
        raise unreadable(path, "a TorchScript module", "an archive whose data is no module")
    buffers: dict[str, frozenset[str]] = {}
    for module, text in code.items():
        buffers.update(torch_code.buffers_in(text, module))
    tensors = [*tensors_in(pickled.value, buffers), *_constants(archive, prefix, path)]
    own = torch_code.class_text(code.get(kind.module, ""), kind.name)
    signature = torch_code.forward_of(own)
    sample = _traced(archive, prefix, path)
    if signature is not None and sample:
        signature = _with_sample(signature, sample)
    return ModelFacts(
        path=path,
        kind=KIND,
        format="torchscript",
        helper=HELPER,
        framework="torch",
        signatures=(signature or Signature(),),
        model_type=kind.name,
        summary=tensor_table(tensors),
        parameter_count=parameter_count(tensors),
        requirements={"torch": None, "numpy": None},
        options={"format": "torchscript"},
        missing=() if sample else (NO_SHAPES,),
    )


def _code(archive: zipfile.ZipFile, prefix: str) -> dict[str, str]:
    """Text of each module of the code, by its name."""
    found, left = {}, _CODE_BYTES
    for name in archive.namelist():
        if not name.startswith(f"{prefix}code/") or not name.endswith(".py"):
            continue
        text = member(archive, name, left)
        left -= len(text)
        module = name.removeprefix(f"{prefix}code/").removesuffix(".py").replace("/", ".")
        found[module] = text.decode("utf-8", "replace")
    return found


def _constants(archive: zipfile.ZipFile, prefix: str, path: Path) -> list[NamedTensor]:
    """Tensors that `torch.jit.freeze` has made constants of."""
    pickled = read_pickle_stream(io.BytesIO(member(archive, f"{prefix}constants.pkl")), path)
    values = pickled.value if isinstance(pickled.value, (tuple, list)) else ()
    found = [tensor_of(one, f"constant {number}") for number, one in enumerate(values)]
    return [one for one in found if one is not None and one.shape]


def _traced(archive: zipfile.ZipFile, prefix: str, path: Path) -> list[NamedTensor | None]:
    """The inputs that a module was traced with; nothing when it was not."""
    name = f"{prefix}traced_inputs.pkl"
    if name not in archive.namelist():
        return []
    pickled = read_pickle_stream(io.BytesIO(member(archive, name)), path)
    methods = _untagged(pickled.value)
    inputs = _untagged(methods.get("forward")) if isinstance(methods, dict) else None
    return [tensor_of(one) for one in inputs] if isinstance(inputs, (list, tuple)) else []


def _untagged(value: Any) -> Any:
    """A value without the name of its type, which TorchScript's pickles add to it."""
    return value.arguments[0] if isinstance(value, Made) and value.arguments else value


def _with_sample(signature: Signature, sample: list[NamedTensor | None]) -> Signature:
    """Inputs with the shapes of the traced ones, whose first axis is taken to be the batch."""
    inputs = []
    for index, tensor in enumerate(signature.inputs or ()):
        traced = sample[index] if index < len(sample) else None
        if traced is not None and tensor.block is None:
            shape = (None, *traced.shape[1:]) if traced.shape else ()
            tensor = Tensor(tensor.name, shape, traced.dtype)
        inputs.append(tensor)
    return Signature(
        inputs=tuple(inputs),
        outputs=signature.outputs,
        parameters=signature.parameters,
        parameter_types=signature.parameter_types,
        sure=False,
    )


# --- what torch.save writes ---


def _saved(pickled: Pickled, path: Path) -> ModelFacts:
    value = pickled.value
    entries = entries_of(value)
    if entries is None:
        return _module(pickled, path)
    tensors = list(tensors_in(_weights(entries)))
    if not tensors:
        raise unreadable(path, _WHAT, f"a dict without tensors, with {_names(entries)}")
    return ModelFacts(
        path=path,
        kind=KIND,
        format="state_dict",
        helper=HELPER,
        framework="torch",
        summary=tensor_table(tensors),
        parameter_count=parameter_count(tensors),
        requirements={"torch": None, "numpy": None},
        options={"format": "state_dict"},
        suspicious=pickled.suspicious,
        missing=(NO_CLASS,),
    )


def _weights(entries: dict[Any, Any]) -> Any:
    """The state dict itself, or the one inside a checkpoint."""
    if any(tensor_of(one) is not None for one in entries.values()):
        return entries
    for key in _STATES:
        inner = entries_of(entries.get(key))
        if inner and any(tensor_of(one) is not None for one in inner.values()):
            return inner
    return entries


def _names(entries: dict[Any, Any]) -> str:
    return ", ".join(repr(key) for key in list(entries)[:8]) or "nothing in it"


def _module(pickled: Pickled, path: Path) -> ModelFacts:
    """A module saved whole: loading it imports its class and runs the pickle."""
    kind = class_of(pickled.value)
    tensors = list(tensors_in(pickled.value))
    if kind is None or not {"_parameters", "_modules"} & set(state_of(pickled.value)):
        named = kind.path if kind is not None else type(pickled.value).__name__
        raise unreadable(path, _WHAT, f"a pickle of {named}", _flagged(pickled))
    return ModelFacts(
        path=path,
        kind=KIND,
        format="pickle",
        helper=HELPER,
        framework="torch",
        model_type=kind.name,
        summary=tensor_table(tensors),
        parameter_count=parameter_count(tensors),
        requirements={"torch": None, "numpy": None},
        options={"format": "pickle", "class": kind.path},
        suspicious=pickled.suspicious,
        missing=(
            f"a pickled module keeps neither inputs nor outputs, and needs {kind.path} where it is loaded: "
            "give input_shape, output_shape and the class' file in files. torch.export.save needs no code",
        ),
    )


def _flagged(pickled: Pickled) -> str:
    if not pickled.suspicious:
        return ""
    return f"Loading it would run {', '.join(pickled.suspicious)}: nothing of it was run here."


def _read_legacy(path: Path) -> ModelFacts:
    """The format before version 1.6: a magic number, a version, facts about the system, then the object."""
    with path.open("rb") as stream:
        source = Source(stream, path)
        try:
            magic = simple(pickle_in(source, path).value)
        except DescribeError as error:
            raise unreadable(path, _WHAT, "neither an archive nor a pickle") from error
        if magic != _LEGACY_MAGIC:
            raise unreadable(path, _WHAT, "another pickle", "Save the model with torch.save or torch.export.")
        pickle_in(source, path)
        pickle_in(source, path)
        pickled = pickle_in(source, path)
        pickle_in(source, path)  # the names of the storages, which follow
        size = storage_bytes(pickled.value)
        if source.skip(size) < size:
            raise truncated(path, f"{size} bytes of weights")
        return _saved(pickled, path)
