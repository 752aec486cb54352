"""A client that answers as a hub would, in this process."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest

from dlhub_client.describe import ModelDescription
from dlhub_client.models import Progress, Published
from examples.elastic_moduli.featuriser.featurise import featurise
from proto_msgs.errors import NotFound


class FakeClient:
    """Keeps what is published as a function; `run` calls it."""

    def __init__(self) -> None:
        self.functions: dict[str, Callable[[Any], Any]] = {}
        self.published: list[dict[str, Any]] = []
        self.offset = 0.0  #: added to every estimator's output, to be caught

    def publish_servable(self, model: Any, *, on_progress: Callable[[Progress], None] | None) -> Any:
        if isinstance(model, ModelDescription):
            return self._publish_pipeline(model.to_dict())
        assert (Path(model) / "dlhub.json").is_file()
        return self._add("elastic-features", featurise, {"folder": Path(model)})

    def _publish_pipeline(self, document: dict[str, Any]) -> Any:
        """One servable, then the mean of several."""
        first, fan_out = document["servable"]["steps"]
        assert fan_out["combine"] == "mean"

        def run(inputs: Any) -> Any:
            features = self.functions[first["servable"]](inputs)
            return np.mean([self.functions[name](features) for name in fan_out["servable"]], axis=0)

        return self._add(document["dlhub"]["name"], run, {"document": document})

    def easy_publish(
        self,
        title: str,
        creators: Any,
        short_name: str,
        servable_type: str,
        serv_options: dict[str, Any],
        *,
        visible_to: Any,
        on_progress: Callable[[Progress], None] | None,
    ) -> Any:
        assert on_progress is not None
        on_progress(Progress(stage="upload"))
        on_progress(Progress(stage="build", step="lock"))
        estimator = joblib.load(serv_options["path"])  # reads plain pickles too
        facts = {"title": title, "type": servable_type, "visible_to": visible_to, **serv_options}
        return self._add(short_name, lambda inputs: estimator.predict(inputs) + self.offset, facts)

    def _add(self, name: str, function: Callable[[Any], Any], facts: dict[str, Any]) -> Any:
        self.functions[f"me/{name}@1"] = function
        self.published.append({"name": name, **facts})
        return Published(
            name=f"me/{name}", version=1, version_id="v", build_id="b", url="http://hub.example", created=True
        )

    def run(self, name: str, inputs: Any, *, debug: bool, timeout_s: float | None, fresh: bool) -> Any:
        assert debug and fresh
        if name not in self.functions:
            raise NotFound(f"there is no servable {name}")
        return self.functions[name](inputs), {"timings_ms": {"run": 1.5}}

    def map(
        self,
        name: str,
        inputs: Sequence[Any],
        *,
        on_progress: Callable[[Progress], None] | None,
        timeout_s: float | None,
    ) -> Any:
        outputs = []
        for done, row in enumerate(inputs, start=1):
            outputs.append(np.asarray(self.functions[name](row)))
            if on_progress:
                on_progress(Progress(stage="map", done=done, total=len(inputs)))
        return outputs


@pytest.fixture
def client() -> FakeClient:
    return FakeClient()


@pytest.fixture
def dlhub_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """Puts a `dlhub` beside Python that writes down how it is called; its `up` fails if a file says so."""
    program = tmp_path / "bin" / "dlhub"
    program.parent.mkdir()
    log = tmp_path / "calls"
    program.write_text(
        f'#!/bin/sh\necho "$@" >> {log}\n'
        f'[ "$1" = up ] && [ -e {tmp_path}/up-fails ] && exit 3\n'
        '[ "$1" = token ] && echo secret-token\nexit 0\n'
    )
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program.with_name("python")))
    return lambda: log.read_text().splitlines()
