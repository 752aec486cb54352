"""Methods of a description: their inputs, outputs, promises and examples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from dlhub_client.describe.arguments import amended
from dlhub_client.describe.defaults import forms, types_needed
from dlhub_client.describe.metadata_state import State, pointer
from dlhub_client.errors import Malformed


class Methods(State):
    """Setters of the block `servable.methods`; each gives the description back."""

    def set_input_description(self, text: str, method: str = "run") -> Self:
        """What the input means."""
        self._method(method)["input"]["description"] = text
        return self

    def set_output_description(self, text: str, method: str = "run") -> Self:
        """What the output means."""
        self._method(method)["output"]["description"] = text
        return self

    def set_inputs(self, block: Mapping[str, Any], method: str = "run") -> Self:
        """Declare the input: `describe.argument(...)`."""
        return self._declare(method, "input", block)

    def set_outputs(self, block: Mapping[str, Any], method: str = "run") -> Self:
        """Declare the output: `describe.argument(...)`."""
        return self._declare(method, "output", block)

    def amend_input(self, name: str | None = None, *, method: str = "run", **fields: Any) -> Self:
        """Add to what is declared of the input: units="GPa", minimum=0, ..., the fields of `argument`.

        name: which one, of several that have names. None as a value takes a field out.
        """
        return self._amend(method, "input", name, fields)

    def amend_output(self, name: str | None = None, *, method: str = "run", **fields: Any) -> Self:
        """Add to what is declared of the output, as `amend_input` does."""
        return self._amend(method, "output", name, fields)

    def set_parameter(
        self, name: str, default: Any, block: Mapping[str, Any] | None = None, method: str = "run"
    ) -> Self:
        """A keyword argument that a caller may give: its default, and its type, `describe.argument(...)`.

        Without a type it may be anything; datetimes, timedeltas and complex numbers have theirs.
        """
        declared = self._method(method)
        declared["parameters"] = {**declared.get("parameters", {}), **forms({name: default})}
        types = {key: one for key, one in declared.pop("parameter_types", {}).items() if key != name}
        types |= types_needed({name: default}) if block is None else {name: dict(block)}
        if types:
            declared["parameter_types"] = types
        self._own(pointer("servable", "methods", method, "parameters"))
        return self

    def _amend(self, method: str, side: str, name: str | None, fields: Mapping[str, Any]) -> Self:
        whole = self._method(method)[side]
        if name is None:
            return self._declare(method, side, amended(whole, fields))
        if name in (whole.get("properties") or {}):
            parts = whole["properties"]
            return self._declare(
                method, side, {**whole, "properties": {**parts, name: amended(parts[name], fields)}}
            )
        elements = whole.get("element_types") or []
        names = [element.get("name") for element in elements]
        if name not in names:
            known = ", ".join(str(one) for one in (whole.get("properties") or names) if one) or "no names"
            raise Malformed(f"The {side} of {method} has nothing called {name!r}; it has: {known}.")
        changed = [amended(one, fields) if one.get("name") == name else one for one in elements]
        return self._declare(method, side, {**whole, "element_types": changed})

    def _declare(self, method: str, side: str, block: Mapping[str, Any]) -> Self:
        self._method(method)[side] = dict(block)
        self._own(pointer("servable", "methods", method, side))
        return self

    def set_unpack_inputs(self, unpack: bool = True, method: str = "run") -> Self:
        """Whether the input, a list or a tuple, is taken as several arguments."""
        block = self._method(method)
        if unpack and block["input"].get("type") not in ("list", "tuple"):
            raise Malformed(f"Only a list or a tuple can be unpacked; {method} takes {block['input']}.")
        block["method_details"]["unpack"] = unpack
        return self

    def set_files_as(self, how: str, method: str = "run") -> Self:
        """How the method gets inputs of type file: as "bytes", or as the "path" of a file that holds them."""
        if how not in ("bytes", "path"):
            raise Malformed(f"Files are given as 'bytes' or as 'path'; {how!r} came.")
        self._method(method).setdefault("method_details", {})["files_as"] = how
        return self

    def set_promises(
        self,
        *,
        vectorised: bool | None = None,
        deterministic: bool | None = None,
        map_axis: int | None = None,
        method: str = "run",
    ) -> Self:
        """What the hub may rely on to be quick; what is None stays as it is.

        vectorised: takes many callers' inputs in one call and gives an output for each, in order.
        deterministic: the same inputs give the same output, so that outputs may be remembered.
        map_axis: the input's items along this axis are independent, so that it may be cut there.
        """
        given = {"vectorised": vectorised, "deterministic": deterministic, "map_axis": map_axis}
        for name, value in given.items():
            if value is not None:
                self._method(method)[name] = value
                self._own(pointer("servable", "methods", method, name))
        return self

    def set_example(
        self, inputs: Any, parameters: Mapping[str, Any] | None = None, method: str = "run"
    ) -> Self:
        """A call that works (JSON values): tried in every build, shown to users."""
        example = {"inputs": inputs, "parameters": dict(parameters)} if parameters else {"inputs": inputs}
        self._method(method)["example"] = example
        return self

    def _method(self, name: str) -> dict[str, Any]:
        methods: dict[str, dict[str, Any]] = self._servable["methods"]
        if name not in methods:
            raise Malformed(f"There is no method {name!r}; there is: {', '.join(methods)}.")
        return methods[name]
