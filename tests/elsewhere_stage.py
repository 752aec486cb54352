"""Executors whose replicas are on a server elsewhere, with doubles of such servers."""

from __future__ import annotations

import asyncio
import os
import shlex
import sys
import textwrap
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from doubles.aws import Front
from executor_stage import Heard, Stand

from dlhub_task_manager.executors.elsewhere.choice import Needs, Yard, make_elsewhere
from dlhub_task_manager.executors.elsewhere.marks import Marks
from dlhub_task_manager.site_file import SageMakerTable, SiteFile, TensorFlowServingTable
from proto_msgs.blobs import BlobRef
from proto_msgs.description import Description
from proto_msgs.identity import Access
from proto_msgs.servables import VersionRecord

DOUBLE = Path(__file__).parent / "doubles" / "tensorflow_serving.py"
IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/models:iris"
ROLE = "arn:aws:iam::123456789012:role/dlhub"
ARRAY = {"type": "ndarray", "item_type": "float", "dtype": "float32"}
FUNCTIONS = """
import time
from pathlib import Path

HERE = Path({here!r})

def run(x):
    return x

def fail(x):
    raise ValueError("no bread today")

def wait(x):
    (HERE / "began").touch()
    while not (HERE / "go").exists():
        time.sleep(0.01)
    return x
"""
SIGNATURES = """
ANY = ("DT_FLOAT", None)

def signature(function):
    return {"x": ANY}, {"y": ANY}, lambda x: {"y": function(x)}

SIGNATURES = {"serving_default": signature(run), "fail": signature(fail), "wait": signature(wait)}
"""


def described(methods: dict[str, Any] | None = None, kind: str = "TensorFlow Model") -> Description:
    """The description of a SavedModel in the folder `model`."""
    plain = {name: {"input": ARRAY, "output": ARRAY} for name in ("run", "fail", "wait")}
    return Description.model_validate(
        {
            "datacite": {"titles": [{"title": "Test"}]},
            "dlhub": {"name": "test", "files": {"model": "model"}},
            "servable": {"type": kind, "methods": methods or plain},
        }
    )


def version(description: Description) -> VersionRecord:
    return VersionRecord(
        version_id=str(uuid.uuid4()),
        servable="ada/test",
        number=3,
        status="ready",
        build_id="b",
        access=Access(owner="ada@local"),
        description=description,
        archive=BlobRef(sha256="0" * 64, size_bytes=1),
        created_at=datetime.now(UTC),
    )


def write_functions(folder: Path, source: str | None = None) -> Path:
    """Published files whose `model` the double of TensorFlow Serving can load; `source` in place of ours."""
    model = folder / "files" / "model"
    model.mkdir(parents=True, exist_ok=True)
    ours = textwrap.dedent(FUNCTIONS.format(here=str(folder))) + SIGNATURES
    (model / "functions.py").write_text(source or ours)
    return folder / "files"


def program(folder: Path, python: str = sys.executable) -> str:
    """A program that is started like tensorflow_model_server."""
    path = folder / "tensorflow_model_server"
    path.write_text(f'#!/bin/sh\nexec {shlex.join([python, str(DOUBLE)])} "$@"\n')
    path.chmod(0o755)
    return str(path)


def yard(folder: Path, **tables: Any) -> Yard:
    return Yard(site=SiteFile(name="lab", **tables), marks=Marks(folder / "tm"), folder=folder / "tm")


@asynccontextmanager
async def executing(
    kind: str, folder: Path, yard: Yard, description: Description, record: VersionRecord | None = None
) -> AsyncIterator[Stand]:
    """An executor of a version whose files lie in `folder`."""

    async def files() -> Path:
        return folder / "files"

    async with asyncio.timeout(110), asyncio.TaskGroup() as tasks:
        needs = Needs(
            label=f"{os.urandom(4).hex()}-{os.urandom(3).hex()}",
            version=record or version(description),
            files=files,
            folder=folder / "said",
            yard=yard,
            tasks=tasks,
        )
        executor = await make_elsewhere(kind, needs)
        try:
            yield Stand(executor, folder)
        finally:
            (folder / "go").touch()
            await executor.close()


class ServedStand(Stand):
    """A stand whose server can be killed."""

    def __init__(self, stand: Stand, aws: Front | None) -> None:
        super().__init__(stand.executor, stand.folder)
        self.waits_for = np.zeros(1, "float32")
        self._aws = aws

    def kill(self, heard: Heard) -> None:
        if self._aws is not None:
            self._aws.states = [{"EndpointStatus": "Failed", "FailureReason": "the host caught fire"}]
            return
        for process in servers_of(self.folder):
            process.kill()


def servers_of(folder: Path) -> list[psutil.Process]:
    """Model servers that were started in a folder."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        if process.info["status"] != psutil.STATUS_ZOMBIE:
            command = " ".join(process.info["cmdline"] or [])
            if "--rest_api_port" in command and str(folder) in command:
                found.append(process)
    return found


@asynccontextmanager
async def standing_elsewhere(
    kind: str, folder: Path, aws: Front | None, *, broken: bool = False, refusing: bool = False
) -> AsyncIterator[Stand]:
    """`broken`: the model cannot be loaded; `refusing`: there is no server to be had."""
    write_functions(folder, "raise OSError('no weights')" if broken else None)
    if aws is None:
        binary = str(folder / "the partition is closed") if refusing else program(folder)
        tables: dict[str, Any] = {"tensorflow_serving": TensorFlowServingTable(binary=binary)}
    else:
        tables = {"sagemaker": _sagemaker(folder, aws, broken, refusing)}
    async with executing(kind, folder, yard(folder, **tables), described()) as stand:
        yield ServedStand(stand, aws)


def _sagemaker(folder: Path, aws: Front, broken: bool, refusing: bool) -> SageMakerTable:
    functions: dict[str, Any] = {}
    exec(FUNCTIONS.format(here=str(folder)), functions)
    aws.functions = {name: functions[name] for name in ("run", "fail", "wait")}
    if broken:
        aws.states = [{"EndpointStatus": "Failed", "FailureReason": "no weights"}]
    if refusing:
        aws.refusals["CreateModel"] = ("ResourceLimitExceeded", "the partition is closed")
    return SageMakerTable(region="us-east-1", endpoint_url=aws.url, role_arn=ROLE, images={"ada/test": IMAGE})


async def gone(found: Any, timeout_s: float = 10.0) -> None:
    """Return when `found` gives nothing any more."""
    deadline = time.monotonic() + timeout_s
    while left := found():
        assert time.monotonic() < deadline, f"left behind: {left}"
        await asyncio.sleep(0.05)
