"""The driver: what it asks of hub and command, its exit status, and that it stops what it started."""

from __future__ import annotations

import functools
import re
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from examples.elastic_moduli import demo, study
from examples.shared import embedded
from examples.shared.checks import Check
from proto_msgs.errors import NotFound

Calls = Callable[[], list[str]]


@pytest.fixture
def connected(
    client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[list[tuple[str, str]]]:
    """Gives the driver the fake client; collects what it connected to. Temporary folders lie in tmp_path."""
    connections: list[tuple[str, str]] = []

    @contextmanager
    def connect(url: str, token: str) -> Iterator[Any]:
        connections.append((url, token))
        yield client

    before = signal.getsignal(signal.SIGTERM)
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(embedded, "connect", connect)
    tiny = functools.partial(study.Study, trees=2, train_rows=60, val_rows=12)
    monkeypatch.setattr(study, "quick", tiny)
    yield connections
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def stop_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], Any]], None]:
    """Replaces the study by a function, which raises or returns what `conduct` would."""

    def replace(function: Callable[[], Any]) -> None:
        monkeypatch.setattr(study, "conduct", lambda _study: function())

    return replace


def raising(error: BaseException) -> Callable[[], Any]:
    def function() -> Any:
        raise error

    return function


def test_the_demo_from_start_to_stop(
    connected: list[tuple[str, str]], dlhub_calls: Calls, client: Any, tmp_path: Path
) -> None:
    status = demo.main(["--quick", "--output", str(tmp_path / "out")])
    assert status == 0
    assert (tmp_path / "out" / "elastic_moduli.png").stat().st_size > 10_000
    up, token, down = dlhub_calls()
    home = re.fullmatch(r"up --home (\S+) --detach --port \d+", up)
    assert home is not None
    assert [token, down] == [f"token --home {home[1]}", f"down --home {home[1]}"]
    assert not Path(home[1]).exists()
    assert connected == [(f"http://127.0.0.1:{up.split()[-1]}", "secret-token")]
    assert len(client.published) == 13


def test_a_published_estimator_is_described(
    client: Any, connected: object, dlhub_calls: Calls, tmp_path: Path
) -> None:
    demo.main(["--quick", "--output", str(tmp_path)])
    forest = next(facts for facts in client.published if facts["name"] == "bulk-modulus-random-forest")
    assert (forest["type"], forest["visible_to"]) == ("sklearn", ["public"])
    assert (forest["n_input_columns"], forest["serialization_method"]) == (224, "joblib")


def test_the_mean_of_five_is_one_servable_of_exact_versions(
    client: Any, connected: object, dlhub_calls: Calls, tmp_path: Path
) -> None:
    demo.main(["--quick", "--output", str(tmp_path)])
    document = next(facts["document"] for facts in client.published if facts["name"] == "shear-modulus-mean")
    first, models = document["servable"]["steps"]
    assert (first["servable"], document["dlhub"]["visible_to"]) == ("me/elastic-features@1", ["public"])
    assert len(models["servable"]) == 5
    assert all(re.fullmatch(r"me/shear-modulus-[a-z-]+@1", name) for name in models["servable"])


def test_a_prediction_that_differs_fails_the_demo(
    client: Any, connected: object, dlhub_calls: Calls, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    client.offset = 1e-5
    assert demo.main(["--quick", "--output", str(tmp_path)]) == 1
    failed = [line for line in capsys.readouterr().out.splitlines() if line.startswith("✗")]
    assert len(failed) == 13


def test_progress_and_total_time_are_printed(
    connected: object, dlhub_calls: Calls, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    demo.main(["--quick", "--output", str(tmp_path)])
    text = capsys.readouterr().out
    for stage in (
        "Starting a hub",
        "Features through the hub",
        "Publishing",
        "Running",
        "Row by row",
        "Results",
    ):
        assert stage in text
    assert re.search(r"Total time \d+ s", text)


def test_a_hub_that_does_not_start_fails_the_demo_and_is_stopped(
    connected: object, dlhub_calls: Calls, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "up-fails").touch()
    assert demo.main([]) == 1
    assert [call.split()[0] for call in dlhub_calls()] == ["up", "down"]
    assert "`dlhub up` did not succeed" in capsys.readouterr().out


def test_a_failure_of_the_hub_is_told_and_its_state_kept(
    connected: object, dlhub_calls: Calls, stop_at: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stop_at(raising(NotFound("there is no servable [me/x]")))
    assert demo.main(["--home", str(tmp_path / "home")]) == 1
    text = capsys.readouterr().out
    assert "NotFound: there is no servable [me/x]" in text
    assert "State and logs of the hub are kept in" in text
    assert dlhub_calls()[-1] == f"down --home {tmp_path / 'home'}"


def test_ctrl_c_stops_the_hub(connected: object, dlhub_calls: Calls, stop_at: Any) -> None:
    stop_at(raising(KeyboardInterrupt()))
    assert demo.main([]) == 130
    assert dlhub_calls()[-1].startswith("down")


def test_sigterm_stops_the_hub(connected: object, dlhub_calls: Calls, stop_at: Any) -> None:
    stop_at(lambda: signal.raise_signal(signal.SIGTERM))
    with pytest.raises(SystemExit) as stopped:
        demo.main([])
    assert stopped.value.code == 143
    assert dlhub_calls()[-1].startswith("down")


def test_keep_leaves_the_hub_running(
    connected: object, dlhub_calls: Calls, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert demo.main(["--quick", "--keep", "--port", "4711", "--output", str(tmp_path)]) == 0
    assert [call.split()[0] for call in dlhub_calls()] == ["up", "token"]
    assert "still runs at http://127.0.0.1:4711" in capsys.readouterr().out


def test_a_running_hub_is_neither_started_nor_stopped(
    connected: list[tuple[str, str]], dlhub_calls: Calls, stop_at: Any, tmp_path: Path
) -> None:
    stop_at(raising(NotFound("x")))
    demo.main(["--url", "http://hub.example", "--token", "t"])
    assert connected == [("http://hub.example", "t")]
    assert not (tmp_path / "calls").exists()


def test_a_url_needs_a_token(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        demo.main(["--url", "http://hub.example"])
    assert "--url and --token go together" in capsys.readouterr().err


def test_poor_forests_fail_the_full_demo(
    connected: object, dlhub_calls: Calls, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(demo, "quality", lambda _scored: [Check(False, "poor")])
    conduct = study.conduct
    monkeypatch.setattr(study, "conduct", lambda full: conduct(study.quick(full.hub, full.console)))
    assert demo.main(["--output", str(tmp_path)]) == 1
