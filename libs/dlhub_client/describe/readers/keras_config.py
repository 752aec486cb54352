"""Keras' description of a model in JSON: of Keras 2 (tf.keras) and of Keras 3.

A functional model says which shape every layer takes; what the last ones give is worked out by
`keras_layers`. A sequential one is worked through from its input on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from dlhub_client.describe.readers.facts import Signature, Tensor, shape_text, table
from dlhub_client.describe.readers.keras_frozen import is_frozen
from dlhub_client.describe.readers.keras_layers import Shape, output_shape

Config = Mapping[str, Any]
_MAX_DEPTH = 20


@dataclass(frozen=True)
class Layer:
    """One line of the summary."""

    name: str
    kind: str
    output: Shape | None


@dataclass(frozen=True)
class Architecture:
    """What the configuration says."""

    kind: str
    inputs: tuple[Tensor, ...] | None
    outputs: tuple[Tensor, ...] | None
    layers: tuple[Layer, ...]
    custom: tuple[str, ...]
    """Classes that Keras does not bring: they must be given when it is loaded."""
    has_code: bool = False
    """Whether a Lambda layer brings Python code along."""
    deterministic: bool | None = None
    """Whether the same input gives the same output; None: nobody knows."""

    @property
    def signature(self) -> Signature:
        return Signature(
            inputs=self.inputs, outputs=self.outputs, batched=True, deterministic=self.deterministic
        )

    @property
    def summary(self) -> str:
        rows = [(layer.name, layer.kind, shape_text(layer.output)) for layer in self.layers]
        return table(rows, ("layer", "type", "output shape"))


class ConfigError(ValueError):
    """The JSON is no model of Keras."""


def read_architecture(document: Config) -> Architecture:
    """The model of a `model_config`, a `config.json` or of `to_json()`. Raises ConfigError."""
    kind, config = document.get("class_name"), document.get("config")
    if not isinstance(kind, str) or not isinstance(config, (dict, list)):
        raise ConfigError("no class_name and config")
    inner: Config = (
        config if isinstance(config, dict) else {"layers": config}
    )  # a Sequential of Keras 1 and 2
    custom = tuple(sorted(set(_custom(document, _MAX_DEPTH))))
    if kind == "Sequential":
        found = _sequential(inner, document, custom)
    elif "layers" in inner and "output_layers" in inner:
        found = _functional(kind, inner, custom)
    else:
        found = Architecture(kind, None, None, (), custom)
    frozen = bool(found.layers) and is_frozen(document)
    return replace(found, has_code=_has_code(document, _MAX_DEPTH), deterministic=frozen or None)


def _has_code(node: Any, depth: int) -> bool:
    """Whether a function was written out as its code: `__lambda__` in Keras 3, a list in Keras 2."""
    if depth < 0:
        return False
    if isinstance(node, list):
        return any(_has_code(one, depth) for one in node)
    if not isinstance(node, dict):
        return False
    if node.get("class_name") == "__lambda__" or node.get("function_type") == "lambda":
        return True
    return any(_has_code(one, depth - 1) for one in node.values())


def _custom(node: Any, depth: int) -> Iterator[str]:
    """Classes of layers, and of what they use, from elsewhere than Keras."""
    if depth < 0:
        return
    if isinstance(node, list):
        for one in node:
            yield from _custom(one, depth)
    if not isinstance(node, dict):
        return
    module, kind = node.get("module"), node.get("class_name")
    registered = node.get("registered_name")
    if isinstance(kind, str) and "config" in node and _is_foreign(module, registered):
        yield f"{module}.{kind}" if module else str(registered or kind)
    for one in node.values():
        yield from _custom(one, depth - 1)


def _is_foreign(module: Any, registered: Any) -> bool:
    if isinstance(module, str):
        return not module.split(".")[0].startswith(("keras", "tensorflow", "tf_keras", "builtins"))
    return isinstance(registered, str) and ">" in registered and not registered.startswith("keras")


def _dtype_of(config: Config) -> str | None:
    """Element type of a layer's output; of a policy, that in which it calculates."""
    dtype = config.get("dtype")
    if isinstance(dtype, dict):
        dtype = (dtype.get("config") or {}).get("name")
    if not isinstance(dtype, str):
        return None
    return dtype.removeprefix("mixed_") if dtype.startswith("mixed_") else dtype


def _batch_shape(config: Config) -> Shape | None:
    for key in ("batch_shape", "batch_input_shape"):
        if isinstance(config.get(key), list):
            return tuple(config[key])
    return None


# --- sequential ---


def _sequential(config: Config, document: Config, custom: tuple[str, ...]) -> Architecture:
    entries = [one for one in config.get("layers", ()) if isinstance(one, dict)]
    shape, dtype, name = _start(entries, config, document)
    layers, current = [], shape
    for entry in entries:
        if entry.get("class_name") == "InputLayer":
            continue
        current = _given(entry, [current]) if current is not None else None
        layers.append(Layer(_layer_name(entry), str(entry.get("class_name")), current))
    last = _settings(entries[-1]) if entries else {}
    inputs = (Tensor(name, shape, dtype),) if shape is not None else None
    outputs = (
        (Tensor(str(last.get("name", "output")), current, _dtype_of(last) or dtype),) if entries else None
    )
    return Architecture("Sequential", inputs, outputs, tuple(layers), custom)


def _start(entries: list[Any], config: Config, document: Config) -> tuple[Shape | None, str | None, str]:
    """Shape, element type and name of a sequential model's input."""
    first = _settings(entries[0]) if entries else {}
    built = config.get("build_input_shape") or (document.get("build_config") or {}).get("input_shape")
    shape = _batch_shape(first) or (tuple(built) if isinstance(built, list) else None)
    is_input = bool(entries) and entries[0].get("class_name") == "InputLayer"
    dtype = _dtype_of(first) or ("float32" if shape is not None else None)
    if not is_input and entries and entries[0].get("class_name") == "Embedding":
        dtype = "int32"
    return shape, dtype, str(first.get("name", "input")) if is_input else "input"


def _settings(entry: Any) -> Config:
    config = entry.get("config") if isinstance(entry, dict) else None
    return config if isinstance(config, dict) else {}


def _layer_name(entry: Config) -> str:
    return str(entry.get("name") or _settings(entry).get("name") or "?")


def _given(entry: Config, inputs: list[Shape]) -> Shape | None:
    """The shape that a layer gives; of a model within the model, that of its only output."""
    kind = str(entry.get("class_name"))
    if kind in ("Sequential", "Functional", "Model"):
        try:
            outputs = read_architecture(entry).outputs
        except ConfigError:
            return None
        return _plain(outputs[0]) if outputs and len(outputs) == 1 else None
    return output_shape(kind, _settings(entry), inputs)


def _plain(tensor: Tensor) -> Shape | None:
    if tensor.shape is None:
        return None
    return tuple(length if isinstance(length, int) else None for length in tensor.shape)


# --- functional ---


def _functional(kind: str, config: Config, custom: tuple[str, ...]) -> Architecture:
    entries = {_layer_name(one): one for one in config["layers"] if isinstance(one, dict)}
    graph = _Graph(entries)
    layers = [Layer(name, str(one.get("class_name")), graph.shape(name)) for name, one in entries.items()]
    inputs = [graph.tensor(label, name, index) for label, name, index in _ends(config["input_layers"])]
    outputs = [graph.tensor(label, name, index) for label, name, index in _ends(config["output_layers"])]
    return Architecture(kind, tuple(inputs), tuple(outputs), tuple(layers), custom)


def _ends(value: Any) -> list[tuple[str, str, int]]:
    """(label, layer, number of its output) of inputs or outputs: one, a list, a dict, or lists in lists."""
    if isinstance(value, dict):
        return [(str(key), name, index) for key, one in value.items() for _, name, index in _ends(one)]
    if not isinstance(value, list) or not value:
        raise ConfigError("inputs or outputs that are neither a list nor a dict")
    if isinstance(value[0], str):
        return [(value[0], value[0], int(value[2]) if len(value) > 2 else 0)]
    return [end for one in value for end in _ends(one)]


class _Graph:
    """Layers by name, and the shapes of what they give."""

    def __init__(self, entries: Mapping[str, Config]) -> None:
        self._entries = entries
        self._told: dict[tuple[str, int], tuple[Shape, str | None]] = {}
        self._known: dict[str, Shape | None] = {}
        for entry in entries.values():
            for tensor in _tensors_in(entry.get("inbound_nodes"), _MAX_DEPTH):
                self._note(tensor)

    def _note(self, tensor: Config) -> None:
        history, shape = tensor.get("keras_history"), tensor.get("shape")
        if isinstance(history, list) and len(history) == 3 and isinstance(shape, list):
            dtype = tensor.get("dtype")
            self._told[str(history[0]), int(history[2])] = (tuple(shape), dtype if dtype else None)

    def shape(self, name: str) -> Shape | None:
        """Of the first output of a layer: as its consumers were told, else worked out."""
        if (name, 0) in self._told:
            return self._told[name, 0][0]
        if name not in self._known:
            self._known[name] = None  # a layer that feeds itself has no shape
            self._known[name] = self._worked_out(name)
        return self._known[name]

    def _worked_out(self, name: str) -> Shape | None:
        entry = self._entries.get(name, {})
        if entry.get("class_name") == "InputLayer":
            return _batch_shape(_settings(entry))
        shapes = [self._taken(one) for one in _sources(entry.get("inbound_nodes"))]
        if any(shape is None for shape in shapes):
            return None
        return _given(entry, [shape for shape in shapes if shape is not None])

    def _taken(self, source: tuple[str, int]) -> Shape | None:
        told = self._told.get(source)
        return told[0] if told else self.shape(source[0]) if source[1] == 0 else None

    def tensor(self, label: str, name: str, index: int) -> Tensor:
        """An input or output of the model."""
        told = self._told.get((name, index))
        shape = told[0] if told else self.shape(name) if index == 0 else None
        dtype = (told[1] if told else None) or _dtype_of(_settings(self._entries.get(name, {})))
        return Tensor(label, shape, dtype or "float32")


def _tensors_in(node: Any, depth: int) -> Iterator[Config]:
    """Keras 3's notes of tensors: `{"class_name": "__keras_tensor__", "config": {...}}`."""
    if isinstance(node, list) and depth >= 0:
        for one in node:
            yield from _tensors_in(one, depth - 1)
    elif isinstance(node, dict) and depth >= 0:
        if node.get("class_name") == "__keras_tensor__":
            yield _settings(node)
        else:
            yield from _tensors_in(list(node.values()), depth - 1)


def _sources(nodes: Any) -> list[tuple[str, int]]:
    """Layers, and which of their outputs, that a layer is first called with: Keras 3's form or Keras 2's."""
    first = nodes[0] if isinstance(nodes, list) and nodes else None
    if isinstance(first, dict):
        histories = [tensor.get("keras_history") for tensor in _tensors_in(first.get("args"), _MAX_DEPTH)]
        return [(str(one[0]), int(one[2])) for one in histories if isinstance(one, list) and len(one) == 3]
    if isinstance(first, list):
        entries = [first] if first and isinstance(first[0], str) else first
        return [(str(one[0]), int(one[2])) for one in entries if isinstance(one, list) and len(one) >= 3]
    return []
