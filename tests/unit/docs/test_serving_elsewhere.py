"""The site files that the page on servers elsewhere shows are valid, and show every field."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from dlhub_task_manager.site_file import SageMakerTable, SiteFile, TensorFlowServingTable

PAGE = Path(__file__).parents[3] / "docs" / "serving_elsewhere.md"
EXAMPLES = re.findall(r"```toml\n(.*?)```", PAGE.read_text(), re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_is_valid(example: str) -> None:
    SiteFile.model_validate({"name": "lab", **tomllib.loads(example)})


@pytest.mark.parametrize("table", [TensorFlowServingTable, SageMakerTable])
def test_every_field_is_shown(table: type[TensorFlowServingTable | SageMakerTable]) -> None:
    page = PAGE.read_text()
    assert [name for name in table.model_fields if not re.search(rf"\b{name}\b", page)] == []
