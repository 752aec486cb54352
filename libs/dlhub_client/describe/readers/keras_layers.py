"""Shapes of what Keras layers give, from their configuration and the shape of what they take.

A layer that is not in the table gives something of unknown shape; that is said, not guessed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Shape = tuple[int | None, ...]
Config = Mapping[str, Any]
Rule = Callable[[Config, list[Shape]], Shape | None]


def output_shape(kind: str, config: Config, inputs: list[Shape]) -> Shape | None:
    """The shape that a layer gives for inputs of these shapes; None when it cannot be told."""
    rule = _RULES.get(kind)
    if rule is None or not inputs:
        return None
    try:
        return rule(config, inputs)
    except (KeyError, TypeError, ValueError, IndexError):
        return None


def _same(_config: Config, inputs: list[Shape]) -> Shape:
    return inputs[0]


def _dense(config: Config, inputs: list[Shape]) -> Shape:
    return (*inputs[0][:-1], int(config["units"]))


def _embedding(config: Config, inputs: list[Shape]) -> Shape:
    return (*inputs[0], int(config["output_dim"]))


def _flatten(_config: Config, inputs: list[Shape]) -> Shape:
    return (inputs[0][0], _product(inputs[0][1:]))


def _product(lengths: Sequence[int | None]) -> int | None:
    known = [length for length in lengths if length is not None]
    return math.prod(known) if len(known) == len(lengths) else None


def _reshape(config: Config, inputs: list[Shape]) -> Shape:
    target = [int(length) for length in config["target_shape"]]
    if -1 in target:
        total = _product(inputs[0][1:])
        rest = math.prod(length for length in target if length != -1)
        return (inputs[0][0], *(length if length != -1 else total and total // rest for length in target))
    return (inputs[0][0], *target)


def _permute(config: Config, inputs: list[Shape]) -> Shape:
    return (inputs[0][0], *(inputs[0][int(axis)] for axis in config["dims"]))


def _repeat(config: Config, inputs: list[Shape]) -> Shape:
    return (inputs[0][0], int(config["n"]), inputs[0][1])


def _concatenate(config: Config, inputs: list[Shape]) -> Shape:
    axis = int(config.get("axis", -1)) % len(inputs[0])
    lengths = [shape[axis] for shape in inputs]
    known = [length for length in lengths if length is not None]
    joined = sum(known) if len(known) == len(lengths) else None
    return (*inputs[0][:axis], joined, *inputs[0][axis + 1 :])


def _merged(_config: Config, inputs: list[Shape]) -> Shape | None:
    """Element by element; shapes that differ are broadcast, which is left open here."""
    if any(len(shape) != len(inputs[0]) for shape in inputs):
        return None
    return tuple(_broadcast(lengths) for lengths in zip(*inputs, strict=True))


def _broadcast(lengths: tuple[int | None, ...]) -> int | None:
    larger = [length for length in lengths if length != 1]
    return larger[0] if larger else 1


def _recurrent(config: Config, inputs: list[Shape]) -> Shape:
    units = int(config["units"])
    return (*inputs[0][:2], units) if config.get("return_sequences") else (inputs[0][0], units)


def _spatial(config: Config, shape: Shape) -> tuple[list[int | None], int | None, bool]:
    """Lengths of the picture's axes, the channels, and whether these come last."""
    last = config.get("data_format") != "channels_first"
    return (list(shape[1:-1]), shape[-1], True) if last else (list(shape[2:]), shape[1], False)


def _joined(batch: int | None, space: Sequence[int | None], channels: int | None, last: bool) -> Shape:
    return (batch, *space, channels) if last else (batch, channels, *space)


def _sizes(value: Any, rank: int) -> list[int]:
    return [int(one) for one in value] if isinstance(value, (list, tuple)) else [int(value)] * rank


def _slid(length: int | None, window: int, stride: int, padding: str) -> int | None:
    if length is None:
        return None
    if padding in ("same", "causal"):
        return -(-length // stride)
    return (length - window) // stride + 1


def _convolution(config: Config, inputs: list[Shape]) -> Shape:
    space, _, last = _spatial(config, inputs[0])
    window = _sizes(config["kernel_size"], len(space))
    stride = _sizes(config.get("strides", 1), len(space))
    spread = _sizes(config.get("dilation_rate", 1), len(space))
    found = [
        _slid(length, (size - 1) * gap + 1, step, str(config.get("padding", "valid")))
        for length, size, gap, step in zip(space, window, spread, stride, strict=True)
    ]
    return _joined(inputs[0][0], found, int(config["filters"]), last)


def _depthwise(config: Config, inputs: list[Shape]) -> Shape:
    channels = _spatial(config, inputs[0])[1]
    many = int(config.get("depth_multiplier", 1)) * channels if channels is not None else 0
    return _convolution({**config, "filters": many}, inputs)


def _transposed(config: Config, inputs: list[Shape]) -> Shape | None:
    space, _, last = _spatial(config, inputs[0])
    window = _sizes(config["kernel_size"], len(space))
    stride = _sizes(config.get("strides", 1), len(space))
    if config.get("output_padding") is not None:
        return None
    same = config.get("padding") == "same"
    found = [
        None if length is None else length * step + (0 if same else max(size - step, 0))
        for length, size, step in zip(space, window, stride, strict=True)
    ]
    return _joined(inputs[0][0], found, int(config["filters"]), last)


def _pooling(config: Config, inputs: list[Shape]) -> Shape:
    space, channels, last = _spatial(config, inputs[0])
    window = _sizes(config["pool_size"], len(space))
    stride = _sizes(config.get("strides") or config["pool_size"], len(space))
    found = [
        _slid(length, size, step, str(config.get("padding", "valid")))
        for length, size, step in zip(space, window, stride, strict=True)
    ]
    return _joined(inputs[0][0], found, channels, last)


def _global_pooling(config: Config, inputs: list[Shape]) -> Shape:
    space, channels, last = _spatial(config, inputs[0])
    if config.get("keepdims"):
        return _joined(inputs[0][0], [1] * len(space), channels, last)
    return (inputs[0][0], channels)


def _upsampling(config: Config, inputs: list[Shape]) -> Shape:
    space, channels, last = _spatial(config, inputs[0])
    times = _sizes(config["size"], len(space))
    found = [None if length is None else length * by for length, by in zip(space, times, strict=True)]
    return _joined(inputs[0][0], found, channels, last)


def _margins(value: Any, rank: int) -> list[int]:
    """How much each axis gains or loses on both sides together."""
    if isinstance(value, int):
        return [2 * value] * rank
    if rank == 1:
        return [int(value[0]) + int(value[1])]
    return [sum(one) if isinstance(one, (list, tuple)) else 2 * int(one) for one in value]


def _padded(config: Config, inputs: list[Shape], name: str = "padding", sign: int = 1) -> Shape:
    space, channels, last = _spatial(config, inputs[0])
    added = _margins(config[name], len(space))
    found = [None if length is None else length + sign * by for length, by in zip(space, added, strict=True)]
    return _joined(inputs[0][0], found, channels, last)


def _cropped(config: Config, inputs: list[Shape]) -> Shape:
    return _padded(config, inputs, "cropping", -1)


def _bidirectional(config: Config, inputs: list[Shape]) -> Shape | None:
    inner = config["layer"]
    shape = output_shape(inner["class_name"], inner["config"], inputs)
    if shape is None or config.get("merge_mode", "concat") != "concat":
        return shape
    return (*shape[:-1], 2 * int(shape[-1] or 0))


def _time_distributed(config: Config, inputs: list[Shape]) -> Shape | None:
    inner = config["layer"]
    shape = output_shape(inner["class_name"], inner["config"], [(inputs[0][0], *inputs[0][2:])])
    return None if shape is None else (*inputs[0][:2], *shape[1:])


_POOLINGS = [f"{how}Pooling{rank}" for how in ("Max", "Average") for rank in (1, 2, 3)]
_RULES: dict[str, Rule] = {
    **dict.fromkeys(
        (
            "Activation", "ActivityRegularization", "AlphaDropout", "BatchNormalization", "Dropout", "ELU",
            "GaussianDropout", "GaussianNoise", "GroupNormalization", "Identity", "LayerNormalization",
            "LeakyReLU", "Masking", "MultiHeadAttention", "Normalization", "PReLU", "RMSNormalization",
            "RandomContrast", "RandomFlip", "RandomRotation", "RandomTranslation", "RandomZoom", "ReLU",
            "Rescaling", "Softmax", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D",
            "ThresholdedReLU", "UnitNormalization",
        ),
        _same,
    ),
    **dict.fromkeys(("Add", "Average", "Maximum", "Minimum", "Multiply", "Subtract"), _merged),
    **dict.fromkeys(("Conv1D", "Conv2D", "Conv3D", "SeparableConv1D", "SeparableConv2D"), _convolution),
    **dict.fromkeys(("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose"), _transposed),
    **dict.fromkeys(("DepthwiseConv1D", "DepthwiseConv2D"), _depthwise),
    **dict.fromkeys([f"{how}D" for how in _POOLINGS], _pooling),
    **dict.fromkeys([f"Global{how}D" for how in _POOLINGS], _global_pooling),
    **dict.fromkeys(("UpSampling1D", "UpSampling2D", "UpSampling3D"), _upsampling),
    **dict.fromkeys(("ZeroPadding1D", "ZeroPadding2D", "ZeroPadding3D"), _padded),
    **dict.fromkeys(("Cropping1D", "Cropping2D", "Cropping3D"), _cropped),
    **dict.fromkeys(("LSTM", "GRU", "SimpleRNN"), _recurrent),
    "Bidirectional": _bidirectional,
    "Concatenate": _concatenate,
    "Dense": _dense,
    "EinsumDense": lambda config, inputs: (inputs[0][0], *config["output_shape"])
    if isinstance(config["output_shape"], list)
    else None,
    "Embedding": _embedding,
    "Flatten": _flatten,
    "Permute": _permute,
    "RepeatVector": _repeat,
    "Reshape": _reshape,
    "TimeDistributed": _time_distributed,
}  # fmt: skip
