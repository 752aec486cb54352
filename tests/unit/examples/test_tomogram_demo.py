"""The study of tomograms from start to picture, with a hub and a TensorFlow that answer in this process."""

from __future__ import annotations

import functools
import http.server
import io
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.image import imread
from PIL import Image
from rich.console import Console

from dlhub_client.address import Address
from dlhub_client.models import Progress, Published
from examples.shared.driver import Setting
from examples.tomogram_denoising import beam, demo, hub, phantoms, study
from examples.tomogram_denoising.hub import Hub


def darker(values: Any) -> Any:
    """What the network does, as far as these tests care."""
    return np.asarray(values, np.float32) * np.float32(0.5)


class FakeHub:
    """Answers as a client would; a stack comes back in two pieces."""

    def __init__(self) -> None:
        self.address = Address("http://hub.example", "secret")
        self.offset = 0.0  #: added to every output, to be caught
        self.wishes: list[Any] = []
        self.posted: list[tuple[str, dict[str, str]]] = []

    def publish_servable(self, model: Any, *, on_progress: Any) -> Published:
        on_progress(Progress(stage="build", step="lock"))
        return Published(name="me/denoise", version=1, version_id="v", build_id="b", url="u", created=True)

    def run(self, name: str, inputs: Any, **options: Any) -> Any:
        assert name == "me/denoise"
        if isinstance(inputs, Path):
            options["returns"].write_bytes(self.picture(inputs.read_bytes()))
            return options["returns"]
        assert options["fresh"]
        options["on_progress"](Progress(stage="run", done=1, total=len(inputs)))
        return darker(inputs) + self.offset, {"pieces": 2}

    def picture(self, png: bytes) -> bytes:
        values = np.asarray(Image.open(io.BytesIO(png))) / 255
        shown = np.rint(darker(values).astype("f8") * 255 + 100 * self.offset).astype("u1")
        file = io.BytesIO()
        Image.fromarray(shown).save(file, "PNG")
        return file.getvalue()

    def post(self, url: str, png: bytes, headers: dict[str, str]) -> bytes:
        self.posted.append((url, headers))
        return self.picture(png)

    def put_deployments(self, name: str, deployments: Any) -> None:
        self.wishes += deployments

    def sites(self) -> Any:
        wish = self.wishes[-1]["min_replicas"]
        return [{"served": [{"servable": "me/denoise", "ready": wish, "starting": 0}]}]


def fake_tensorflow(script: Path, slices: str, folder: str, steps: str) -> str:
    """In place of train.py."""
    with np.load(slices) as given:
        assert given["noisy"].shape == given["truth"].shape
        denoised = darker(given["frames"])
    np.savez(Path(folder) / "direct.npz", denoised=denoised, train_s=1.0, direct_s=0.1)
    return ""


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeHub:
    one = FakeHub()
    monkeypatch.setattr(study.tensorflow, "run", fake_tensorflow)
    monkeypatch.setattr(study, "denoiser", lambda folder: folder)
    monkeypatch.setattr(study, "cut", functools.partial(phantoms.cut, side=64))
    monkeypatch.setattr(study, "shepp_logan", functools.partial(phantoms.shepp_logan, 64))
    monkeypatch.setattr(study, "all_reconstructed", in_this_process)
    monkeypatch.setattr(hub, "post", one.post)
    tiny = functools.partial(study.Study, learned=2, steps=1, unseen=2, frames=3)
    monkeypatch.setattr(study, "quick", tiny)
    return one


def in_this_process(truths: list[Any], photons: int, seed: int) -> Any:
    return np.array([beam.reconstructed(one, photons, seed) for one in truths], np.float32)


def setting(fake: FakeHub, folder: Path) -> Setting:
    console = Console(file=io.StringIO(), width=120, record=True)
    return Setting(fake, console, folder, quick=True)  # type: ignore[arg-type]


def test_the_example_from_start_to_pictures(fake: FakeHub, tmp_path: Path) -> None:
    given = setting(fake, tmp_path)
    checks = demo.example(given)

    assert [check.passed for check in checks] == [True] * 5
    assert [wish["max_replicas"] for wish in fake.wishes] == [1, 2]
    assert fake.posted == [
        (
            "http://hub.example/api/v1/servables/me/denoise/run",
            {"Authorization": "Bearer secret", "Accept": "image/png"},
        )
    ]
    assert (tmp_path / "tomogram_denoising.png").stat().st_size > 10_000
    assert imread(tmp_path / "tomogram_denoised.png").shape == (64, 64)
    text = given.console.export_text()
    assert "2 replicas: 3 frames in 2 pieces" in text
    assert "Shepp and Logan" in text


def test_what_differs_from_the_direct_call_fails(fake: FakeHub, tmp_path: Path) -> None:
    fake.offset = 1e-1
    assert [check.passed for check in demo.example(setting(fake, tmp_path))] == [False] * 5


def test_a_stack_in_one_piece_was_not_split(
    fake: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeHub, "run", whole_run(FakeHub.run))
    failed = [check.text for check in demo.example(setting(fake, tmp_path)) if not check.passed]
    assert [text.split(",")[0] for text in failed] == ["stack in 1 pieces", "stack in 1 pieces"]


def whole_run(run: Any) -> Any:
    """As it is, but in one piece."""

    def whole(self: FakeHub, name: str, inputs: Any, **options: Any) -> Any:
        came = run(self, name, inputs, **options)
        return (came[0], {}) if isinstance(came, tuple) else came

    return whole


def test_replicas_that_never_come_are_a_timeout(fake: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fake, "sites", lambda: [{"served": []}])
    monkeypatch.setattr(hub, "_PATIENCE_S", 0.0)
    with pytest.raises(TimeoutError, match="2 replicas of me/denoise were wanted; 0 are ready"):
        Hub(fake).serve("me/denoise", 2)  # type: ignore[arg-type]


# --- plain HTTP ---


class Echo(http.server.BaseHTTPRequestHandler):
    """Sends back what came, or says what is wrong with it."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        good = self.headers["Content-Type"] == "image/png" and self.headers["Accept"] == "image/png"
        self.send_response(200 if good and body else 415)
        self.end_headers()
        self.wfile.write(body or b"no picture came")

    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet."""


@pytest.fixture
def server() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Echo) as one:
        thread = threading.Thread(target=one.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{one.server_port}"
        one.shutdown()
        thread.join()


def test_a_picture_is_posted_as_one(server: str) -> None:
    assert hub.post(server, b"pixels", {"Accept": "image/png"}) == b"pixels"


def test_a_refusal_is_told_in_the_servers_words(server: str) -> None:
    with pytest.raises(RuntimeError, match="status 415: no picture came"):
        hub.post(server, b"", {"Accept": "image/png"})
