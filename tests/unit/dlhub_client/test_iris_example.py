from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

from unit.dlhub_client.fake_gateway import TOKEN, FakeGateway

EXAMPLE = Path(__file__).parents[3] / "examples" / "iris" / "publish_iris.py"


def test_one_publishes_and_runs_a_model_in_under_twenty_lines(gateway: FakeGateway, tmp_path: Path) -> None:
    gateway.models["ada/iris"] = lambda inputs, _: inputs[:, :3]
    ended = subprocess.run(
        [sys.executable, "-W", "error", str(EXAMPLE)],
        cwd=tmp_path,
        env={**os.environ, "DLHUB_URL": gateway.url, "DLHUB_TOKEN": TOKEN},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert ended.stderr == ""
    assert ended.stdout.startswith("ada/iris@1\n[[5.1 3.5 1.4]")
    document = ast.parse(EXAMPLE.read_text())
    lines = [line for line in EXAMPLE.read_text().splitlines() if line.strip()]
    docstring = document.body[0]
    assert len(lines) - (docstring.end_lineno or 0) < 20
