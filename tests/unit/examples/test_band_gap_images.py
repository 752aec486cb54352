"""The band gap study with stand-ins for TensorFlow and the hub: what it publishes, runs, checks and draws."""

from __future__ import annotations

import json
import pickle
import zipfile
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.image import imread
from PIL import Image
from rich.console import Console

from dlhub_client.describe import ModelDescription
from dlhub_client.models import Progress, Published
from examples.band_gap_images import demo, hub, models, plot, report
from examples.band_gap_images.hub import Hub
from examples.band_gap_images.pictures import taken
from examples.band_gap_images.results import (
    COLOUR,
    MEAN,
    PIPELINE,
    Scored,
    decoding,
    quality,
    same_gaps,
)
from examples.band_gap_images.study import Outcome, Study, conduct
from examples.shared import tensorflow
from examples.shared.driver import Setting

TRUE = np.linspace(1.7, 2.9, 40)


def encode(images: Any) -> np.ndarray:
    """Stands in for the encoder: the mean colour, many times."""
    return np.tile(np.asarray(images).mean(axis=(1, 2)), (1, 34))[:, :100].astype(np.float32)


def layer(kind: str, name: str, config: dict[str, Any], before: str | None) -> dict[str, Any]:
    """A layer as Keras writes it down."""
    tensor = {"class_name": "__keras_tensor__", "config": {"keras_history": [before, 0, 0]}}
    nodes = [] if before is None else [{"args": [tensor], "kwargs": {}}]
    whole = {"name": name, **config}
    return {
        "module": "keras.layers", "class_name": kind, "config": whole, "name": name, "inbound_nodes": nodes
    }  # fmt: skip


def write_keras(path: Path) -> None:
    """An encoder's file without weights."""
    layers = [
        layer("InputLayer", "picture", {"batch_shape": [None, 64, 64, 3], "dtype": "uint8"}, None),
        layer("Flatten", "flatten", {}, "picture"),
        layer("Dense", "latent", {"units": 100, "dtype": "float32"}, "flatten"),
    ]
    ends = {"input_layers": [["picture", 0, 0]], "output_layers": [["latent", 0, 0]]}
    config = {"name": "encoder", "layers": layers, **ends}
    document = {"module": "keras", "class_name": "Functional", "config": config}
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps(document))
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.15.1"}))


def train(script: Path, pictures: str, folder: str, epochs: str) -> str:
    """Stands in for train.py in TensorFlow's environment."""
    assert script.name == "train.py" and int(epochs) >= 1
    write_keras(Path(folder) / "encoder.keras")
    with np.load(pictures) as given:
        learned, held_out = given["images"], given["held_out"]
    np.savez(
        Path(folder) / "reference.npz",
        images=encode(learned), held_out=encode(held_out), decoded=held_out, fit_s=1.0,
    )  # fmt: skip
    return ""


class FakeHub:
    """A client that keeps what is published as functions."""

    def __init__(self) -> None:
        self.functions: dict[str, Callable[[Any], Any]] = {}
        self.documents: dict[str, dict[str, Any]] = {}
        self.off_ev = 0.0  #: added to what the pipeline gives, to be caught

    def publish_servable(self, model: ModelDescription, *, on_progress: Callable[[Progress], None]) -> Any:
        on_progress(Progress(stage="upload"))
        document = model.to_dict()
        name = document["dlhub"]["name"]
        self.documents[name] = document
        self.functions[f"me/{name}@1"] = self._function(document, model)
        return Published(
            name=f"me/{name}", version=1, version_id="v", build_id="b", url="http://hub.example", created=True
        )

    def _function(self, document: dict[str, Any], model: ModelDescription) -> Callable[[Any], Any]:
        match document["servable"]["type"]:
            case "Keras Model":
                return encode
            case "Pipeline":
                encoder, forest = (self.functions[one["servable"]] for one in document["servable"]["steps"])
                return lambda images: forest(encoder(images)) + self.off_ev
        estimator = pickle.loads(Path(str(model._files["forest.pkl"])).read_bytes())
        return lambda rows: estimator.predict(rows)

    def run(self, name: str, inputs: Any, *, fresh: bool, timeout_s: float) -> Any:
        assert fresh and timeout_s > 0
        if isinstance(inputs, Path):
            inputs = np.rint(255 * imread(inputs)).astype("u1")[np.newaxis]
        if isinstance(inputs, Image.Image):
            inputs = np.asarray(inputs)[np.newaxis]
        return self.functions[name](inputs)


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> FakeHub:
    monkeypatch.setattr(tensorflow, "run", train)
    return FakeHub()


def small(client: FakeHub) -> Study:
    console = Console(file=StringIO(), width=120)
    return Study(Hub(client), console, learn=60, held_out=20, epochs=2, trees=5)


def test_the_whole_study(client: FakeHub) -> None:
    outcome, checks = conduct(small(client))
    assert [check.text for check in checks if not check.passed] == []
    assert len(checks) == 6
    assert [one.title for one in outcome.scored] == [MEAN, COLOUR, PIPELINE]
    mean, _, ours = (one.mae_ev for one in outcome.scored)
    assert ours < mean / 2


def test_what_is_published(client: FakeHub) -> None:
    conduct(small(client))
    encoder, forest, whole = (
        client.documents[n] for n in ("band-gap-encoder", "band-gap-forest", "band-gap")
    )
    run = encoder["servable"]["methods"]["run"]
    assert (run["input"]["shape"], run["input"]["dtype"]) == ([None, 64, 64, 3], "uint8")
    assert (run["output"]["shape"], run["deterministic"]) == ([None, 100], True)
    assert encoder["dlhub"]["dependencies"]["python"]["keras"] == "3.15.1"
    run = forest["servable"]["methods"]["run"]
    assert (run["input"]["shape"], run["output"]["units"]) == ([None, 100], "eV")
    steps = [one["servable"] for one in whole["servable"]["steps"]]
    assert steps == ["me/band-gap-encoder@1", "me/band-gap-forest@1"]
    assert all(one["dlhub"]["visible_to"] == ["public"] for one in client.documents.values())


def test_a_pipeline_that_differs_from_its_steps_is_caught(client: FakeHub) -> None:
    client.off_ev = 0.002
    _, checks = conduct(small(client))
    failed = [check.text for check in checks if not check.passed]
    assert len(failed) == 4
    assert all("pipeline" in text for text in failed)


@pytest.mark.parametrize(("is_quick", "checked"), [(True, 6), (False, 8)])
def test_the_example_from_training_to_picture(
    client: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_quick: bool, checked: int
) -> None:
    monkeypatch.setattr(demo.study, "Study", lambda _hub, _console: small(client))
    monkeypatch.setattr(demo.study, "quick", lambda _hub, _console: small(client))
    text = StringIO()
    setting: Any = Setting(client, Console(file=text, width=80), tmp_path, is_quick)  # type: ignore[arg-type]
    assert len(demo.example(setting)) == checked
    height, width, _ = imread(tmp_path / "band_gap_images.png").shape
    assert (width, height) == (2400, 1340)
    assert "Encoder and forest (pipeline)" in text.getvalue()
    assert imread(tmp_path / "spot.png").shape == (64, 64, 3)


# --- results ---


def scored(title: str, off_ev: float) -> Scored:
    signs = np.where(np.arange(len(TRUE)) % 2, 1, -1)
    return Scored(title, TRUE, TRUE + signs * off_ev)


def test_figures_of_merit() -> None:
    one = scored("x", 0.03)
    assert (one.mae_ev, one.rmse_ev) == (pytest.approx(0.03), pytest.approx(0.03))
    assert one.r_squared == pytest.approx(1 - 40 * 0.03**2 / ((TRUE - 2.3) ** 2).sum())
    assert (one.within(0.05), one.within(0.01)) == (1.0, 0.0)


@pytest.mark.parametrize(
    ("came", "passes"),
    [
        ([2.0009, 1.0], True),
        ([2.0011, 1.0], False),
        ([2.0, np.nan], False),
        ([2.0], False),
        ([[2.0, 1.0]], False),
    ],
)
def test_gaps_are_the_same_within_a_thousandth_of_an_electron_volt(came: object, passes: bool) -> None:
    assert same_gaps("x", came, np.array([2.0, 1.0])).passed is passes


@pytest.mark.parametrize(
    ("ours", "mean", "passes"), [(0.03, 0.3, True), (0.05, 0.3, False), (0.03, 0.1, False)]
)
def test_the_pipeline_must_be_good_and_better_than_the_mean(ours: float, mean: float, passes: bool) -> None:
    [check] = quality([scored(MEAN, mean), scored(COLOUR, 0.03), scored(PIPELINE, ours)])
    assert check.passed is passes


def test_decoded_pictures_must_be_those_that_were_encoded() -> None:
    held_out, learned = taken(20, 1).images, taken(20, 2).images
    assert decoding(held_out, held_out, learned).passed
    assert not decoding(learned.mean(axis=0), held_out, learned).passed
    assert not decoding(held_out // 2, held_out, learned).passed


def test_the_table_fits_eighty_columns() -> None:
    out = StringIO()
    Console(file=out, width=80).print(
        report.table([scored(MEAN, 0.3), scored(COLOUR, 0.03), scored(PIPELINE, 0.02)])
    )
    assert "…" not in out.getvalue()
    assert "0.300" in out.getvalue()


def test_the_picture_is_drawn_where_some_gaps_have_no_sample(tmp_path: Path) -> None:
    pictures = taken(12, 3)
    few = pictures.gaps_ev[:2]
    ways = [Scored(title, few, few + 0.01) for title in (MEAN, COLOUR, PIPELINE)]
    plot.draw(Outcome(pictures, pictures.images, ways, []), tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size > 10_000


def test_a_forest_is_read_back_as_it_was_saved(tmp_path: Path) -> None:
    pictures = taken(30, 4)
    features = models.mean_colours(pictures)
    forest = models.forest(features, pictures.gaps_ev, trees=3)
    again = pickle.loads(models.save(forest, tmp_path).read_bytes())
    assert (again.predict(features) == forest.predict(features)).all()
    assert hub.forest(tmp_path / "forest.pkl").to_dict()["dlhub"]["name"] == "band-gap-forest"
