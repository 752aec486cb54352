"""TensorFlow's SavedModel: signatures, from the protocol buffer in the folder; variables, from their index.

Source: `saved_model.proto`, `meta_graph.proto`, `types.proto` and `tensor_shape.proto` of TensorFlow. Numbers
behind `Message.text(n)` and its like are fields' numbers there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from dlhub_client.describe.readers.bounded import mapped
from dlhub_client.describe.readers.checkpoint_index import Variable, read_index
from dlhub_client.describe.readers.facts import (
    ModelFacts,
    Shape,
    Signature,
    Tensor,
    count_of,
    shape_text,
    table,
)
from dlhub_client.describe.readers.problems import truncated, unreadable
from dlhub_client.describe.readers.protobuf import Message, WireError, signed
from dlhub_client.describe.readers.tf_graph import is_frozen
from dlhub_client.describe.readers.tf_types import DTYPES

KIND, HELPER = "TensorFlow Model", "tensorflow_model"
_WHAT = "a SavedModel (a folder with saved_model.pb)"
DEFAULT = "serving_default"
_INITIALISER = "__saved_model_init_op"


def read_saved_model(path: str | Path) -> ModelFacts:
    """What a SavedModel says. Raises DescribeError."""
    folder = _folder(path)
    file = folder / "saved_model.pb"
    try:
        return _facts(folder, _serving_graph(Message(mapped(file)), file))
    except WireError as error:
        raise truncated(file, f"saved_model.pb of a SavedModel, whole ({error})") from error


def _folder(path: str | Path) -> Path:
    given = Path(path).expanduser()
    folder = given.parent if given.name == "saved_model.pb" else given
    if not folder.is_dir():
        found = "a file" if given.is_file() else "nothing at that place"
        raise unreadable(
            given, _WHAT, found, "Give the folder that tf.saved_model.save or model.export made."
        )
    file = folder / "saved_model.pb"
    if not file.is_file():
        raise unreadable(folder, _WHAT, _there(folder))
    if file.stat().st_size == 0:
        raise truncated(file, "saved_model.pb of a SavedModel")
    return folder


def _there(folder: Path) -> str:
    if (folder / "saved_model.pbtxt").is_file():
        return "saved_model.pbtxt, the text form: load and save it again"
    names = sorted(one.name for one in folder.iterdir())[:6]
    return f"a folder with {', '.join(names)}" if names else "an empty folder"


def _serving_graph(model: Message, path: Path) -> Message:
    """The graph that is tagged for serving, else the first."""
    graphs = list(model.messages(2))
    if not graphs:
        raise unreadable(path, _WHAT, "a protocol buffer without graphs")
    serving = [graph for graph in graphs if "serve" in _tags(graph)]
    return (serving or graphs)[0]


def _tags(graph: Message) -> list[str]:
    info = graph.message(1)
    return info.texts(4) if info else []


def _facts(folder: Path, graph: Message) -> ModelFacts:
    info = graph.message(1)
    version = info.text(5) or None if info else None
    variables = _variables(folder)
    frozen = is_frozen(graph)
    signatures = tuple(_signatures(graph, frozen))
    if not signatures:
        raise unreadable(
            folder,
            "a SavedModel with signatures",
            "one without",
            "Save it with tf.saved_model.save(model, path, signatures=...), or with model.export(path).",
        )
    return ModelFacts(
        path=folder,
        kind=KIND,
        format="SavedModel",
        helper=HELPER,
        framework="tensorflow",
        version=version,
        signatures=signatures,
        model_type="SavedModel",
        summary=summary_of(variables),
        parameter_count=count_of(one.shape for one in variables) if variables else None,
        requirements={"tensorflow-cpu": version, "numpy": None},
        companions=tuple(path for path in sorted(folder.rglob("*")) if path.is_file()),
    )


def _signatures(graph: Message, frozen: dict[str, bool]) -> Iterator[Signature]:
    """Each signature; the default one first."""
    found = {}
    for entry in graph.messages(5):
        name, definition = entry.text(1), entry.message(2)
        if name != _INITIALISER and definition is not None and definition.has(2):
            found[name] = definition
    for name in sorted(found, key=lambda one: (one != DEFAULT, one)):
        inputs, outputs = _tensors(found[name], 1), _tensors(found[name], 2)
        nodes = [node for _, node in outputs]
        yield Signature(
            name="run" if name == DEFAULT else name,
            inputs=tuple(tensor for tensor, _ in inputs),
            outputs=tuple(tensor for tensor, _ in outputs),
            details={"signature": name},
            deterministic=all(frozen.get(node, False) for node in nodes) or None,
        )


def _tensors(definition: Message, number: int) -> list[tuple[Tensor, str]]:
    """Inputs or outputs of a signature by name, and the node that each is an output of."""
    found = []
    for entry in definition.messages(number):
        info = entry.message(2)
        if info is None:
            continue
        shape = info.message(3)
        dtype = DTYPES.get(info.integer(2))
        tensor = Tensor(entry.text(1), shape_of(shape) if shape is not None else None, dtype)
        found.append((tensor, info.text(1).partition(":")[0]))
    return sorted(found, key=lambda one: one[0].name)


def shape_of(shape: Message) -> Shape | None:
    """Lengths of a TensorShapeProto; -1 there means any."""
    if shape.integer(3):
        return None
    lengths = [signed(dimension.integer(1)) for dimension in shape.messages(2)]
    return tuple(length if length >= 0 else None for length in lengths)


# --- variables ---


def _variables(folder: Path) -> list[Variable]:
    """The model's own variables; what only training needs, counters and seeds are left out."""
    index = folder / "variables" / "variables.index"
    if not index.is_file():
        return []
    found = [one for one in read_index(index) if not _is_aside(one)]
    # Keras writes its variables twice, once more under a list of all of them.
    once = [one for one in found if not one.name.startswith("_all_variables/")]
    return once or found


def _is_aside(one: Variable) -> bool:
    parts = one.name.split("/")
    for_training = {"save_counter", "optimizer", ".OPTIMIZER_SLOT", "seed_generator"} & set(parts)
    return bool(for_training) or one.dtype.startswith(("int", "uint", "bool"))


def summary_of(variables: list[Variable]) -> str | None:
    """A line for each variable, layer 2 before layer 10."""
    if not variables:
        return None
    ordered = sorted(variables, key=lambda one: _in_order(one.label))
    rows = [(one.label, shape_text(one.shape), one.dtype) for one in ordered]
    return table(rows, ("variable", "shape", "dtype"))


def _in_order(label: str) -> list[tuple[int, str]]:
    """What names with numbers in them are sorted by."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", label)]
