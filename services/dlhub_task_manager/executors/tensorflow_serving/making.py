"""Executors of TensorFlow Serving from what the site file says; and what is left of earlier ones."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path

from dlhub_task_manager.executors.elsewhere.choice import Needs, Yard
from dlhub_task_manager.executors.tensorflow_serving.own_server import Home, OwnServer
from dlhub_task_manager.executors.tensorflow_serving.placing import Place
from dlhub_task_manager.executors.tensorflow_serving.service import Model, Patience, TensorFlowServing
from dlhub_task_manager.site_file import TensorFlowServingTable
from proto_msgs.errors import Unavailable


async def make(needs: Needs) -> TensorFlowServing:
    """The service for one version. Raises Unavailable; whatever fetching the files raises."""
    table = _table(needs.yard)
    files = await needs.files()
    marks = needs.yard.marks
    name = marks.take(needs.label)
    model = Model(
        name=name,
        number=needs.version.number,
        description=json.loads(needs.version.description.model_dump_json()),
        files=files,
    )
    patience = Patience(
        start_s=table.start_timeout_s, load_s=table.load_timeout_s, unload_s=table.unload_timeout_s
    )
    where = _server(table) or OwnServer(str(table.binary), table.arguments, Home(_homes(needs.yard) / name))
    return TensorFlowServing(model, where, patience, table.concurrent, lambda: marks.give_back(name))


async def sweep(yard: Yard) -> list[str]:
    """Remove what is ours and nobody looks after; its names. Raises Unavailable."""
    homes = _homes(yard)
    left = [path for path in homes.iterdir() if yard.marks.is_left(path.name)] if homes.is_dir() else []
    for path in left:
        await asyncio.to_thread(shutil.rmtree, path, ignore_errors=True)
    server = _server(_table(yard))
    swept = await server[1].sweep(yard.marks.is_left) if server else []
    return sorted({*swept, *(path.name for path in left)})


def _table(yard: Yard) -> TensorFlowServingTable:
    table = yard.site.tensorflow_serving
    if table is None:
        raise Unavailable(
            f"the site {yard.site.name} has no TensorFlow Serving: its site file has no table "
            "[tensorflow_serving]"
        )
    return table


def _server(table: TensorFlowServingTable) -> tuple[str, Place] | None:
    """Address and place of a server that runs already."""
    if table.url is None or table.models is None or table.config is None:
        return None
    place = Place(models=table.models, models_as=table.models_as or str(table.models), config=table.config)
    return table.url, place


def _homes(yard: Yard) -> Path:
    """Folders of servers of our own, by the name of their model."""
    return yard.folder / "tensorflow_serving"
