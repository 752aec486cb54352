"""A dlhub.json as somebody wrote it: converted where it is the original DLHub's, and checked whole."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from dlhub_types.consistency import contradictions
from proto_msgs.description import Description
from proto_msgs.errors import Malformed
from proto_msgs.original import converted

MAX_SHOWN = 20
"""Problems that the message names; its details have all."""


def read_document(document: Any, what: str = "dlhub.json") -> Description:
    """The description; what was changed in it is under `dlhub.converted`.

    what: what to call the document. Raises Malformed that names each place where something is wrong.
    """
    made, changes = converted(document)
    try:
        description = Description.model_validate(made)
    except ValidationError as error:
        raise _malformed(what, [_line(dict(problem), what) for problem in _problems(error)]) from error
    if problems := contradictions(description):
        raise _malformed(what, problems)
    if not changes:
        return description
    hub = description.dlhub.model_copy(update={"converted": (*description.dlhub.converted, *changes)})
    return description.model_copy(update={"dlhub": hub})


def _problems(error: ValidationError) -> Any:
    return error.errors(include_url=False, include_context=False, include_input=False)


def _line(problem: dict[str, Any], what: str) -> str:
    return f"{'.'.join(map(str, problem['loc'])) or what}: {problem['msg'].removeprefix('Value error, ')}"


def _malformed(what: str, lines: list[str]) -> Malformed:
    return Malformed(f"{what} is not valid: " + "; ".join(lines[:MAX_SHOWN]), details={"errors": lines})
