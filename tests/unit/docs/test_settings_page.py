"""The page of settings says what the code does."""

from __future__ import annotations

import importlib.util
from pathlib import Path

DOCS = Path(__file__).parents[3] / "docs"


def test_the_page_lists_every_setting() -> None:
    spec = importlib.util.spec_from_file_location("docs_settings", DOCS / "settings.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.page() == (DOCS / "settings.md").read_text(), "run: python docs/settings.py"
