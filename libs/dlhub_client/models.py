"""What the client gives back: plain records, and the progress of things that take long."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from dlhub_types.coercions import Coercion

Returns = str | os.PathLike[str] | None
"""How an output is given: "numpy", "pandas", "pil", "torch", or the path of a file to write it to, by whose
suffix an array is written (.npy, .png, .jpg, .tif, .csv; a file output as it is); None: as it comes."""
FINAL_TASK = frozenset({"succeeded", "failed", "cancelled", "expired"})
FINAL_BUILD = frozenset({"succeeded", "failed", "cancelled"})


@dataclass(frozen=True, kw_only=True)
class Published:
    """A version of a servable, as the hub has it after publishing."""

    name: str  #: `owner/name`
    version: int  #: `name@version` means exactly this one
    version_id: str
    build_id: str | None  #: None when nothing had to be built
    url: str  #: of its description
    created: bool  #: False when the same content had been published before

    @property
    def exact_name(self) -> str:
        """`owner/name@version`."""
        return f"{self.name}@{self.version}"


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a publish, a map or a task has come."""

    stage: Literal["pack", "upload", "build", "map", "run"]
    done: int = 0  #: bytes of an upload, items of a map or of a large input that the hub runs in pieces
    total: int | None = None  #: None where it is not known
    step: str = ""  #: of a build
    text: str = ""  #: a line of a build's log


OnProgress = Callable[[Progress], None]
"""Is called on the client's own threads, so it must be quick and may not call the client."""


@dataclass(frozen=True, kw_only=True)
class LogLine:
    """A line of a build's log."""

    seq: int
    step: str
    text: str
    at: float | None = None  #: Unix time, seconds


@dataclass(frozen=True, kw_only=True)
class TaskState:
    """A task as the hub described it last."""

    task_id: str
    status: str
    document: Mapping[str, Any]  #: the whole answer

    @property
    def finished(self) -> bool:
        """Whether nothing will change any more."""
        return self.status in FINAL_TASK

    @property
    def progress(self) -> Progress | None:
        """How many items are done; None for a task that is a single run."""
        counts = self.document.get("progress")
        if not isinstance(counts, Mapping):
            return None
        return Progress(stage="run", done=counts["done"], total=counts["total"])


@dataclass(frozen=True, kw_only=True)
class Checked:
    """Inputs that a run would take."""

    version: int
    """The version that would run."""
    method: str
    coercions: tuple[Coercion, ...]
    """What would be changed in them; each reads as a sentence."""
