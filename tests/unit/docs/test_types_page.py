"""The page of types is what the code says."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

PAGE = Path(__file__).parents[3] / "docs/types.md"


def writer() -> ModuleType:
    spec = importlib.util.spec_from_file_location("types_page", PAGE.with_name("types_page.py"))
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text() == writer().page(), "run: python docs/types_page.py"


def test_every_type_is_on_the_page() -> None:
    text = PAGE.read_text()
    for name in (
        "`python object`",
        "`ndarray`",
        "`Torch Model`",
        "`Pipeline`",
        "`files_as`",
        "`accelerator_memory_mb`",
    ):
        assert name in text
