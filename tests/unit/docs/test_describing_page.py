"""What the page on describing shows about metadata can be done."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from dlhub_client import describe

PAGE = (Path(__file__).parents[3] / "docs" / "describing.md").read_text()


def test_the_lines_on_metadata_run(tmp_path: Path) -> None:
    (code,) = re.findall(r"test_describing_page\.py runs these lines -->\n```python\n(.*?)```", PAGE, re.S)
    (tmp_path / "CITATION.cff").write_text("title: T\nauthors: [{family-names: L, given-names: A}]\n")
    (tmp_path / "codemeta.json").write_text('{"name": "T", "funder": "DOE"}')
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "t"\nversion = "1"\n')
    (tmp_path / "app.py").write_text("def run(x):\n    return x\n")
    git = ["git", "-C", str(tmp_path), "-c", "user.name=A", "-c", "user.email=a@example.org"]
    for arguments in (["init"], ["add", "."], ["commit", "-m", "x"]):
        subprocess.run([*git, *arguments], check=True, capture_output=True)
    anything = describe.argument("python object")
    method = {"input": anything, "output": anything, "method_details": {"module": "app"}}
    model = describe.ModelDescription("Python static method", {"run": method}).set_name("m")

    exec(code, {"model": model, "folder": tmp_path})

    found = model.to_dict()
    assert found["datacite"]["titles"] == [{"title": "T"}]
    assert found["dlhub"]["sources"]["/datacite/titles"] == "CITATION.cff"
    assert found["dlhub"]["sources"]["/dlhub/repository"] == "git"
