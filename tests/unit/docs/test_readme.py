"""What the README shows is what the repository has."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
README = (ROOT / "README.md").read_text()


def test_links_lead_somewhere() -> None:
    targets = re.findall(r"\]\(([^)#]+)\)", README)
    assert targets
    assert [target for target in targets if not (ROOT / target).exists()] == []


def test_the_example_is_the_one_in_the_repository() -> None:
    code = re.findall(r"```python\n(.*?)```", README, flags=re.S)[0]
    example = (ROOT / "examples/iris/publish_iris.py").read_text()
    assert code.strip() in example


def test_the_example_has_less_than_twenty_lines() -> None:
    code = re.findall(r"```python\n(.*?)```", README, flags=re.S)[0]
    assert len([line for line in code.splitlines() if line.strip()]) < 20


def test_a_model_is_described_in_three_lines() -> None:
    blocks = re.findall(r"```python\n(.*?)```", README, flags=re.S)[1:]
    lines = [[line for line in block.splitlines() if line.strip()] for block in blocks]
    assert [len(one) for one in lines] == [3, 3, 3]


def test_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    named = set(re.findall(r"`make ([a-z-]+)`", README)) | set(
        re.findall(r"^    make ([a-z-]+)", README, flags=re.M)
    )
    assert named
    assert [target for target in named if not re.search(rf"^{target}:", makefile, flags=re.M)] == []
