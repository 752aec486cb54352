"""What a run brings, and the bytes that go back: the same for a run alone and for one of a joint call."""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Tuple

from dlhub_shim import failures, files
from proto_msgs import codec, views, worker

Result = Tuple[bool, worker.Content]
"""Whether it went well, and the output or the failure."""
Wanted = Optional[List[str]]
"""Names of the only entries that are wanted of an output; None: all of it."""


class Unreadable(Exception):
    """A payload that is none: a fault of whoever sent it. Knows the run's failure."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.failure = worker.failure(worker.MALFORMED, message)


class _NoSuchOutput(ValueError):
    """An entry was asked for that the output does not have."""


def read(payload: worker.Content) -> Tuple[Any, Dict[str, Any], Wanted]:
    """Inputs, parameters, and which outputs are wanted. Raises Unreadable.

    Arrays of a file are views of it, which the model may write to: the file stays as it is.
    """
    try:
        if isinstance(payload, bytes):
            value = codec.unpack(payload, own_arrays=True)
        else:
            value = views.unpack(memoryview(files.mapped(*payload)), own_arrays=True)
        return value["inputs"], value.get("parameters") or {}, value.get("outputs")
    except codec.DecodeError as error:
        raise Unreadable(f"the payload cannot be read: {error}") from error
    except files.Gone as error:
        raise Unreadable(f"the payload cannot be read: {error}") from error
    except (LookupError, TypeError, AttributeError) as error:
        raise Unreadable("the payload is not a map with 'inputs' and 'parameters'") from error


def failed(failure: worker.Failure) -> Result:
    """The result of a run that has no output."""
    return False, codec.pack(failure)


def result_of(output: Any, wanted: Wanted, encode: files.Encode) -> Result:
    """The result of a run with this output."""
    try:
        return True, encode(output if wanted is None else _chosen(output, wanted))
    except codec.EncodeError as error:
        return failed(failures.of_output(error))
    except _NoSuchOutput as error:
        return failed(worker.failure(worker.INPUT_MISMATCH, f"outputs: {error}"))


def _chosen(output: Any, wanted: List[str]) -> Dict[str, Any]:
    if not isinstance(output, dict):
        raise _NoSuchOutput(
            f"the output is of type {type(output).__name__}, and only of a dict can entries be asked for"
        )
    missing = [name for name in wanted if name not in output]
    if missing:
        raise _NoSuchOutput(f"there is no {missing[0]!r}; there are {', '.join(map(str, output))}")
    return {name: output[name] for name in wanted}
