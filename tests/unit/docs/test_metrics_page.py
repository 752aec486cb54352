"""The page of figures names those that the code tells, and no others."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_the_page_lists_every_figure_with_its_kind() -> None:
    told = {
        (name, kind)
        for folder in ("libs", "services")
        for file in (ROOT / folder).rglob("*.py")
        for kind, name in re.findall(r'\b(counter|gauge|histogram)\(\s*"(dlhub_\w+)"', file.read_text())
    }
    page = (ROOT / "docs" / "metrics.md").read_text()
    listed = set(re.findall(r"^\| `(dlhub_\w+)` \| (\w+) \|", page, flags=re.M))
    assert len(told) > 20
    assert listed == told
