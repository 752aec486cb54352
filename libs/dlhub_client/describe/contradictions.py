"""A whole description held against its model's file, before it goes to a hub.

The helpers hold what they are told against the file at once. A dlhub.json may have been written or changed by
hand, though, and whoever runs the model should not be the first to find out. Only what cannot fit is refused:
a length or a kind of numbers that the file leaves open may be anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlhub_client.describe.declared import block_of
from dlhub_client.describe.from_file import named_signatures
from dlhub_client.describe.looking import look
from dlhub_client.describe.readers.facts import ModelFacts, Signature, Tensor
from dlhub_client.describe.readers.problems import DescribeError

if TYPE_CHECKING:
    from proto_msgs.description import Argument, Description, Method

_READ = frozenset(
    (
        "Scikit-learn estimator", "Keras Model", "TensorFlow Model", "Torch Model", "ONNX Model",
        "XGBoost Model", "LightGBM Model",
    )
)  # fmt: skip
"""Types whose files tell what they take and give. An object that was pickled may be served as any of two."""
_PICKLED = "Scikit-learn estimator"


def check_folder(document: Mapping[str, Any], folder: Path) -> None:
    """Raises DescribeError where a checked dlhub.json contradicts the model's file in its folder."""
    from dlhub_types.documents import read_document  # here, as its models take long to build

    description = read_document(dict(document))
    model = description.dlhub.files.get("model")
    if description.servable.type not in _READ or not isinstance(model, str):
        return
    try:
        facts = look(folder / model).facts
    except DescribeError:  # what cannot be read here contradicts nothing; the build loads it
        return
    if facts is not None:
        _check(description, facts, model)


def _check(description: Description, facts: ModelFacts, model: str) -> None:
    kind = description.servable.type
    if facts.kind != kind:
        if _PICKLED in (facts.kind, kind) or facts.kind not in _READ:
            return
        raise DescribeError(
            f"servable.type is {kind!r}, but {model} is a {facts.kind} ({facts.format}). Correct the one or "
            f"the other: describe.{facts.helper}({model!r}) describes it."
        )
    signatures = named_signatures(facts)
    for name, method in description.servable.methods.items():
        signature = signatures.get(name)
        if signature is not None and signature.sure and _is_called_as_declared(method, signature):
            _check_method(f"servable.methods.{name}", method, signature, model)


def _is_called_as_declared(method: Method, signature: Signature) -> bool:
    """Whether it is what the file tells of that is called, on what a caller gives.

    It may be another signature, or another method of an estimator; and the model may get the inputs of many
    callers stacked, or items one by one.
    """
    details = method.method_details.model_dump()
    known = all(details.get(key) == value for key, value in signature.details.items())
    shape = method.input.shape
    stacked = method.vectorised and shape is not None and isinstance((*shape, 0)[0], int)
    return known and not stacked and not details["autobatch"]


def _check_method(where: str, method: Method, signature: Signature, model: str) -> None:
    from dlhub_types.fitting import Side, misfit
    from dlhub_types.lengths import Lengths
    from dlhub_types.mismatch import describe

    details = method.method_details
    for declared, tensor in _pairs(method.input, signature.inputs, details.inputs):
        known = _as_argument(tensor)
        if misfit(Side(declared, where), Side(known, model), Lengths()):
            found = f"takes {describe(known)} for {tensor.name!r}"
            raise _contradiction(f"{where}.input", describe(declared), found, model)
    for declared, tensor in _pairs(method.output, signature.outputs, details.outputs):
        known = _as_argument(tensor)
        if tensor.shape != () and misfit(Side(known, model), Side(declared, where), Lengths()):
            found = f"gives {describe(known)} for {tensor.name!r}"
            raise _contradiction(f"{where}.output", describe(declared), found, model)


def _pairs(
    declared: Argument, tensors: tuple[Tensor, ...] | None, order: tuple[str, ...] | None
) -> Iterator[tuple[Argument, Tensor]]:
    """What is declared of each input or output that the file knows; what goes by another name is left out."""
    known = {tensor.name: tensor for tensor in tensors or ()}
    if order is not None and len(order) == len(known) and not set(order) & set(known):
        known = dict(zip(order, known.values(), strict=True))
    parts = dict(declared.properties or {})
    parts |= {element.name: element for element in declared.element_types or () if element.name}
    if len(known) == 1 and not parts:
        yield declared, next(iter(known.values()))
    yield from ((part, known[name]) for name, part in parts.items() if name in known)


def _as_argument(tensor: Tensor) -> Argument:
    from proto_msgs.description import Argument

    block = block_of([tensor])
    if tensor.block is None and tensor.dtype is None:
        block.pop("item_type")  # where the file does not tell, `block_of` says float
    return Argument.model_validate(block)


def _contradiction(where: str, said: str, found: str, model: str) -> DescribeError:
    return DescribeError(
        f"{where} is declared as {said}, but the model in {model} {found}. Correct the description, or the "
        "file that it names."
    )
