"""What a pipeline takes and gives, as far as the declarations of its steps tell, and whether these fit; pure.

Symbols of all steps are followed through the pipeline, so that one that comes out again at its end is
declared as the same length.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dlhub_gateway.pipelines.places import at_step
from dlhub_gateway.pipelines.planning import Call, Plan, PlannedStep
from dlhub_types.fitting import Side, misfit
from dlhub_types.lengths import Lengths, Renaming, with_symbols
from dlhub_types.mismatch import describe
from proto_msgs.description import Argument, Method
from proto_msgs.errors import InputMismatch

_OWN = "pipeline"
_NUMBERS = frozenset({"integer", "number", "float", "boolean"})


def interface(plan: Plan, declared: Method | None) -> Method:
    """The pipeline's one method. Raises InputMismatch that names the step whose types do not fit.

    declared: what its author says of it; types that are not declared are those of the first and last step.
    """
    lengths = Lengths()
    first = _first_input(plan.steps[0], lengths)
    given, giver = first, "the pipeline"
    for index, step in enumerate(plan.steps):
        for call in step.calls if index else ():
            _check(given, giver, call, lengths)
        given = _output(step, lengths)
        giver = _label(step)
    parameters = _parameters(plan)
    if declared is None:
        names = Renaming(lengths)
        input_, output = (
            names.renamed(first.argument, first.scope),
            names.renamed(given.argument, given.scope),
        )
        return Method(input=input_, output=output, parameters=parameters)
    _check_declared(declared, first, given, plan, lengths)
    promises: dict[str, Any] = {
        "deterministic": False,
        "vectorised": False,
        "map_axis": None,
        "parameter_types": {},
    }
    return declared.model_copy(update={"parameters": parameters, **promises})


def _first_input(step: PlannedStep, lengths: Lengths) -> Side:
    """What the first of the calls takes; all others must be able to take it too."""
    first = Side(step.calls[0].declared.input, step.calls[0].place)
    for call in step.calls[1:]:
        wanted = Side(call.declared.input, call.place)
        if why := misfit(first, wanted, lengths):
            beside = f"{step.calls[0].found.label} takes another input than this one: {why}"
            raise at_step(InputMismatch(beside), call.index, call.place, call.found.label)
    return first


def _check(given: Side, giver: str, call: Call, lengths: Lengths) -> None:
    if why := misfit(given, Side(call.declared.input, call.place), lengths):
        message = f"the output of {giver} does not fit its input: {why}"
        raise at_step(InputMismatch(message), call.index, call.place, call.found.label)


def _check_declared(declared: Method, first: Side, last: Side, plan: Plan, lengths: Lengths) -> None:
    if why := misfit(Side(declared.input, _OWN), first, lengths):
        raise InputMismatch(f"methods.run.input does not fit {_label(plan.steps[0])}: {why}")
    if why := misfit(last, Side(declared.output, _OWN), lengths):
        raise InputMismatch(f"methods.run.output does not fit {_label(plan.steps[-1])}: {why}")


def _label(step: PlannedStep) -> str:
    call = step.combine or step.calls[0]
    if step.several and step.combine is None:
        return f"steps[{call.index}]"
    return f"{call.place} ({call.found.label})"


def _output(step: PlannedStep, lengths: Lengths) -> Side:
    """What a step gives."""
    if not step.several:
        return Side(step.calls[0].declared.output, step.calls[0].place)
    scope = f"steps[{step.calls[0].index}]"
    outputs = [_moved(call, scope, lengths) for call in step.calls]
    if step.combine is None and step.way != "dict":
        return Side(_Combined(step, lengths, scope).output(outputs), scope)
    names = (call.name for call in step.calls)
    together = Argument(type="dict", properties=dict(zip(names, outputs, strict=True)))
    if step.combine is None:
        return Side(together, scope)
    _check(Side(together, scope), f"steps[{step.combine.index}]", step.combine, lengths)
    return Side(step.combine.declared.output, step.combine.place)


def _moved(call: Call, scope: str, lengths: Lengths) -> Argument:
    """The output of a branch with symbols that differ from those of other branches."""

    def move(symbol: str) -> str:
        moved = f"{symbol}_{call.name}"
        lengths.agree(moved, scope, symbol, call.place)
        return moved

    return with_symbols(call.declared.output, move)


class _Combined:
    """The declared type of the mean of several values, or of what else is made of them."""

    def __init__(self, step: PlannedStep, lengths: Lengths, scope: str) -> None:
        self._step = step
        self._lengths = lengths
        self._scope = scope

    def output(self, branches: Sequence[Argument]) -> Argument:
        """Raises InputMismatch for branches whose outputs are not alike, or no numbers."""
        first = branches[0]
        for branch, call in zip(branches, self._step.calls, strict=True):
            if why := misfit(Side(first, self._scope), Side(branch, self._scope), self._lengths):
                raise self._refused(call, f"its output is not like that of {self._step.calls[0].name}: {why}")
            if _is_no_number(branch):
                raise self._refused(call, f"its output is a {describe(branch)}, not numbers")
        return self._of(first)

    def _refused(self, call: Call, why: str) -> InputMismatch:
        error = InputMismatch(f"{why}; {self._step.way} needs outputs that are alike")
        refused = at_step(error, call.index, call.place, call.found.label)
        assert isinstance(refused, InputMismatch)
        return refused

    def _of(self, argument: Argument) -> Argument:
        if argument.type == "dict":
            parts = {key: self._of(one) for key, one in (argument.properties or {}).items()}
            return argument.model_copy(update={"properties": parts})
        if argument.type == "python object":
            return argument
        if self._step.way == "stack":
            return self._stacked(argument)
        if argument.type == "ndarray":
            return argument.model_copy(update=_averaged(argument))
        if argument.type == "list":
            return argument.model_copy(update={"item_type": self._of(argument.item_type or argument)})
        if argument.type == "tuple":
            return Argument.model_validate({"type": "list", "item_type": {"type": "python object"}})
        return Argument(type="complex" if argument.type == "complex" else "float")

    def _stacked(self, argument: Argument) -> Argument:
        count = len(self._step.calls)
        if argument.type == "ndarray":
            shape = None if argument.shape is None else (count, *argument.shape)
            return argument.model_copy(update={"shape": shape})
        shape = None if argument.type in ("list", "tuple") else (count,)
        return Argument(type="ndarray", shape=shape)


def _averaged(argument: Argument) -> dict[str, Any]:
    """The type of elements of a mean."""
    kept = argument.dtype is not None and np.dtype(argument.dtype).kind in "fc"
    if kept or (argument.item_type is not None and argument.item_type.type == "complex"):
        return {}
    return {
        "dtype": None,
        "item_type": Argument(type="float") if argument.dtype or argument.item_type else None,
    }


def _is_no_number(argument: Argument) -> bool:
    """Whether there is nothing in it that could be averaged."""
    match argument.type:
        case "ndarray":
            kind = np.dtype(argument.dtype).kind if argument.dtype else ""
            return kind in tuple("USMm") or (
                argument.item_type is not None and _is_no_number(argument.item_type)
            )
        case "list":
            return argument.item_type is not None and _is_no_number(argument.item_type)
        case "tuple":
            return any(map(_is_no_number, argument.element_types or ()))
        case "dict":
            return any(map(_is_no_number, (argument.properties or {}).values()))
        case kind:
            return kind not in _NUMBERS and kind not in ("complex", "python object")


def _parameters(plan: Plan) -> dict[str, Any]:
    """By step, what a caller may override, with what it is otherwise."""
    found: dict[str, Any] = {}
    for step in plan.steps:
        defaults: dict[str, Any] = {}
        for call in step.calls:
            defaults |= call.declared.parameters
        if defaults:
            found[step.name] = defaults | step.declared.parameters
    return found
