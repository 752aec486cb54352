"""Declared inputs and outputs from what a model file tells, and what the caller says of them.

What the caller gives fills in what the file leaves open. Where the two contradict each other, that is an
error which names both: one of them is wrong, and a run would find out later.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dlhub_client.describe.arguments import ArgumentBlock, argument
from dlhub_client.describe.readers.facts import Signature, Tensor, item_type_of, tensor_block
from dlhub_client.describe.readers.problems import DescribeError

ShapeArgument = Sequence[int | str | None] | Mapping[str, Sequence[int | str | None]]
_WHOLE = {"integer": "integer", "boolean": "boolean"}


def block_of(tensors: Sequence[Tensor]) -> ArgumentBlock:
    """The declaration of one input or output, or of several by their names."""
    if len(tensors) == 1:
        return tensor_block(tensors[0])
    properties = {tensor.name: tensor_block(tensor, named=False) for tensor in tensors}
    return {"type": "dict", "properties": properties}


def from_shape(shape: ShapeArgument, dtype: str | None) -> ArgumentBlock:
    """The declaration of an array of this shape, or of several by name."""
    if isinstance(shape, Mapping):
        properties = {name: from_shape(one, dtype) for name, one in shape.items()}
        return argument("dict", properties=properties)
    kind = item_type_of(dtype)
    return argument("ndarray", item_type=kind, dtype=dtype or "float32", shape=shape)


def reconciled(
    given: ArgumentBlock, tensors: Sequence[Tensor], side: str, source: str, sure: bool = True
) -> ArgumentBlock:
    """What the caller declares, with the file's facts where it is silent. Raises DescribeError.

    side: `input` or `output`; source: the file's name; sure: False when the file has but a sample.
    """
    if len(tensors) == 1:
        return _one(given, tensors[0], side, source, sure)
    if given.get("type") == "dict":
        return _by_name(given, tensors, side, source, sure)
    elements = given.get("element_types")
    if given.get("type") != "tuple" or elements is None:
        raise _contradiction(side, source, f"{given.get('type')!r}", _names(tensors))
    if len(elements) != len(tensors):
        raise _contradiction(side, source, f"a tuple of {len(elements)}", _names(tensors))
    ordered = [_matching(element, tensors, at) for at, element in enumerate(elements)]
    merged = [_one(one, known, side, source, sure) for one, known in zip(elements, ordered, strict=True)]
    return {**given, "element_types": merged}


def _names(tensors: Sequence[Tensor]) -> str:
    return f"{len(tensors)}: {', '.join(tensor.name for tensor in tensors)}"


def _matching(element: ArgumentBlock, tensors: Sequence[Tensor], at: int) -> Tensor:
    """The tensor that an element of a tuple stands for: by its name, else by its place."""
    return next((one for one in tensors if one.name == element.get("name")), tensors[at])


def _by_name(
    given: ArgumentBlock, tensors: Sequence[Tensor], side: str, source: str, sure: bool
) -> ArgumentBlock:
    properties = given.get("properties") or {}
    known = {tensor.name: tensor for tensor in tensors}
    if properties and set(properties) != set(known):
        raise _contradiction(side, source, f"a dict of {', '.join(properties)}", _names(tensors))
    merged = {
        name: _one(properties.get(name, {}), tensor, side, source, sure) for name, tensor in known.items()
    }
    return {**given, "properties": merged}


def _one(given: ArgumentBlock, known: Tensor, side: str, source: str, sure: bool) -> ArgumentBlock:
    block = tensor_block(known)
    # The fields of one type are not those of another.
    if not sure or (known.block is not None and given.get("type", block["type"]) != block["type"]):
        return {**_head(block), **given}
    if known.block is None:
        _check(given, known, block, side, source)
    merged = {**block, **given}
    if "item_type" in given and "dtype" not in given and not _is_same_kind(given, known):
        merged.pop("dtype", None)
    return merged


def _head(block: ArgumentBlock) -> ArgumentBlock:
    return {key: block[key] for key in ("name", "description") if key in block}


def _is_same_kind(given: ArgumentBlock, known: Tensor) -> bool:
    kind = given["item_type"]
    return (kind if isinstance(kind, str) else kind.get("type")) == item_type_of(known.dtype)


def _check(given: ArgumentBlock, known: Tensor, block: ArgumentBlock, side: str, source: str) -> None:
    if known.dtype is not None:
        _check_elements(given, known, block, side, source)
    if given.get("shape") is not None and not _fits(given["shape"], known.shape):
        raise _contradiction(
            side, source, f"shape {_text(given['shape'])}", f"shape {_text(known.shape)}", known.name
        )


def _check_elements(
    given: ArgumentBlock, known: Tensor, block: ArgumentBlock, side: str, source: str
) -> None:
    kind = given.get("type", "ndarray")
    if kind != "ndarray" and not (known.shape == () and kind in ("number", item_type_of(known.dtype))):
        raise _contradiction(side, source, f"type {kind!r}", f"an ndarray of {known.dtype}", known.name)
    if given.get("dtype") not in (None, block.get("dtype")):
        raise _contradiction(side, source, f"dtype {given['dtype']}", f"{known.dtype}", known.name)
    item = given.get("item_type")
    named = item if isinstance(item, str) else (item or {}).get("type")
    if named not in (None, "number") and named != item_type_of(known.dtype):
        raise _contradiction(side, source, f"items of type {named}", f"{known.dtype}", known.name)


def _fits(given: Sequence[Any], known: Sequence[Any] | None) -> bool:
    """Whether every array of the one shape is one of the other: fixed lengths may not differ or be freed."""
    if known is None:
        return True
    if len(given) != len(known):
        return False
    return all(not isinstance(length, int) or own == length for own, length in zip(given, known, strict=True))


def _text(shape: Sequence[Any] | None) -> str:
    return "any" if shape is None else f"[{', '.join('null' if one is None else str(one) for one in shape)}]"


def _contradiction(side: str, source: str, said: str, found: str, name: str = "") -> DescribeError:
    verb = "takes" if side == "input" else "gives"
    which = f" for {name!r}" if name else ""
    return DescribeError(
        f"{side}s declare {said}, but the model in {source} {verb} {found}{which}. Correct {side}s=..., or "
        "leave it out: the file tells it."
    )


def is_joinable(signature: Signature) -> bool:
    """Whether several callers' inputs may be joined along the first axis, and the outputs cut there again.

    The first length must be free everywhere, and stand for nothing else. Where the format has no word for a
    batch, a call must change nothing, and a free second length tells against it: the first may be a
    picture's height.
    """
    tensors = [*(signature.inputs or ()), *(signature.outputs or ())]
    if not signature.inputs or not signature.outputs or not signature.sure:
        return False
    if not (signature.deterministic if signature.batched is None else signature.batched):
        return False
    if not all(_starts_free(tensor) for tensor in tensors):
        return False
    first = {tensor.shape[0] for tensor in tensors if tensor.shape}
    if len(first) > 1 or any(tensor.shape and tensor.shape[0] in _symbols(tensor) for tensor in tensors):
        return False
    if signature.batched or first != {None}:
        return True
    return all(_is_batch_like(tensor) for tensor in signature.inputs)


def _starts_free(tensor: Tensor) -> bool:
    return tensor.block is None and bool(tensor.shape) and not isinstance((tensor.shape or (0,))[0], int)


def _symbols(tensor: Tensor) -> set[str]:
    """Symbols behind the first axis."""
    return {length for length in (tensor.shape or ())[1:] if isinstance(length, str)}


def _is_batch_like(tensor: Tensor) -> bool:
    shape = tensor.shape or ()
    return len(shape) >= 4 or (len(shape) >= 2 and isinstance(shape[1], int))
