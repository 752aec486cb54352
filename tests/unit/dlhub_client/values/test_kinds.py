"""Values that need converting are told from those that do not."""

from __future__ import annotations

import datetime
import io
import pathlib
import subprocess
import sys
from typing import Any

import numpy as np
import pandas
import pytest
from PIL import Image
from unit.dlhub_client.fake_torch import Tensor, install

from dlhub_client.values.kinds import _kind_of_type, is_plain, kind_of


class ArrayLike:
    def __array__(self, *_: Any) -> Any:
        return np.zeros(2)


PLAIN: list[Any] = [
    None, True, 1, 1.5, 1j, "x", b"x", datetime.datetime(2026, 1, 1), datetime.timedelta(1),
    np.zeros(2), np.float32(1), [1, 2], [], {}, {"a": [1, (2, "x")]}, (np.zeros(2), [np.zeros(3)]), object(),
]  # fmt: skip
SPECIAL: list[Any] = [
    pandas.DataFrame(), pandas.Series([1]), Image.new("L", (1, 1)), ArrayLike(), pathlib.Path("x"),
    io.BytesIO(), io.StringIO(),
]  # fmt: skip


@pytest.mark.parametrize("value", PLAIN)
def test_plain_values_are_plain(value: Any) -> None:
    assert is_plain(value)


@pytest.mark.parametrize("value", SPECIAL)
@pytest.mark.parametrize(
    "within", [lambda v: v, lambda v: [1, v], lambda v: {"a": (v,)}, lambda v: [[1], [[v]]]]
)
def test_others_are_not_however_deep(value: Any, within: Any) -> None:
    assert not is_plain(within(value))


@pytest.mark.parametrize(
    ("value", "kind"),
    list(zip(SPECIAL, ["frame", "series", "picture", "array-like", "path", "file", "file"], strict=True)),
)
def test_each_has_its_kind(value: Any, kind: str) -> None:
    assert kind_of(value) == kind


def test_a_tensor_is_known_when_torch_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    _kind_of_type.cache_clear()
    install(monkeypatch)
    assert kind_of(Tensor([1])) == "tensor"
    _kind_of_type.cache_clear()


def test_nothing_is_imported_to_find_out(tmp_path: pathlib.Path) -> None:
    code = (
        "import sys\n"
        "for name in ('orjson', 'pandas', 'PIL', 'torch'): sys.modules[name] = None\n"
        "from dlhub_client import DLHubClient\n"
        "from dlhub_client.values.kinds import is_plain\n"
        "import pathlib, numpy\n"
        "assert is_plain({'a': [1, numpy.zeros(2)]}) and not is_plain([pathlib.Path('x')])\n"
        "from dlhub_client.values import sending, receiving\n"
        "from proto_msgs.arguments import Argument\n"
        "numpy.save('x.npy', numpy.arange(3))\n"
        "print(sending.converted(pathlib.Path('x.npy'), Argument(type='ndarray')).tolist())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("[0, 1, 2]\n", "")
