"""Files by path: written before the call, gone after it; outputs that are paths are read."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from dlhub_shim.complaints import OutputMismatch
from dlhub_shim.loaders import load_methods
from dlhub_shim.paths import contents, holds_files, placer, with_files

FILE = {"type": "file"}
PNG = {"type": "file", "file_types": ["image/png"]}
SOURCE = """
from pathlib import Path

seen = []

def size(path):
    seen.append(path)
    return len(path.read_bytes())

def sizes(paths):
    seen.extend(paths)
    return [len(path.read_bytes()) for path in paths]

def two(first, second, joint=b"+"):
    seen.extend((first, second))
    return first.read_bytes() + joint + second.read_bytes()

def copy(path):
    copied = path.with_name("copy.bin")
    copied.write_bytes(path.read_bytes() * 2)
    return copied

def fail(path):
    seen.append(path)
    raise ValueError("no")

def length(content):
    return len(content)
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "by_path.py").write_text(SOURCE)
    yield "by_path"
    sys.modules.pop("by_path", None)


def load(tmp_path, name, declared, output=None, **more):
    details = {"module": "by_path", "method_name": name, "files_as": "path", **more.pop("details", {})}
    method = {
        "input": declared,
        "output": output or {"type": "python object"},
        "method_details": details,
        **more,
    }
    description = {"dlhub": {}, "servable": {"type": "Python static method", "methods": {"run": method}}}
    return load_methods(tmp_path, description)["run"]


def seen():
    return sys.modules["by_path"].seen


def test_a_method_gets_a_path_that_is_gone_afterwards(tmp_path, module):
    assert load(tmp_path, "size", PNG)(b"12345", {}) == 5

    (path,) = seen()
    assert path.suffix == ".png"
    assert not path.exists()
    assert not path.parent.exists()


def test_the_folder_goes_when_the_method_raises(tmp_path, module):
    with pytest.raises(ValueError, match="no"):
        load(tmp_path, "fail", FILE)(b"1", {})

    assert not seen()[0].parent.exists()


def test_several_files_have_names_of_their_own(tmp_path, module):
    run = load(tmp_path, "sizes", {"type": "list", "item_type": "file"})

    assert run([b"1", b"22", b"333"], {}) == [1, 2, 3]
    assert len({path.name for path in seen()}) == 3


def test_positional_and_named_arguments(tmp_path, module):
    pair = {"type": "tuple", "element_types": [FILE, FILE]}
    named = {"type": "dict", "properties": {"first": FILE, "second": FILE}}
    unpack = {"details": {"unpack": True}}

    assert load(tmp_path, "two", pair, **unpack)((b"a", b"b"), {}) == b"a+b"
    assert load(tmp_path, "two", named, **unpack)({"second": b"b", "first": b"a"}, {"joint": b"-"}) == b"a-b"


def test_per_item_and_together(tmp_path, module):
    several = {"type": "list", "item_type": FILE}
    per_item = load(tmp_path, "size", several, details={"autobatch": True})
    joined = load(tmp_path, "sizes", several, vectorised=True)
    stacked = load(tmp_path, "sizes", FILE, vectorised=True)

    assert per_item([b"1", b"22"], {}) == [1, 2]
    assert joined.call([[b"1"], [b"22", b"333"]], {}) == [[1], [2, 3]]
    assert stacked.call([b"1", b"22"], {}) == [1, 2]
    assert stacked(b"333", {}) == 3


def test_together_by_position(tmp_path, module):
    pair = {"type": "tuple", "element_types": [FILE, {"type": "integer"}]}
    place = placer(
        {"type": "tuple", "element_types": [{"type": "list", "item_type": FILE}, {"type": "list"}]}
    )
    found = place(([b"a", b"b"], [1, 2]), tmp_path)

    assert [path.read_bytes() for path in found[0]] == [b"a", b"b"]
    assert found[1] == [1, 2]
    assert holds_files(pair)


def test_an_output_may_be_a_path(tmp_path, module):
    assert load(tmp_path, "copy", FILE, output=FILE)(b"ab", {}) == b"abab"


def test_without_being_asked_a_method_gets_bytes(tmp_path, module):
    run = load(tmp_path, "length", FILE, details={"files_as": "bytes"})
    assert run(b"12", {}) == 2


def test_what_holds_no_files_is_left_alone():
    def call(inputs, parameters):
        return inputs

    declared = {
        "input": {"type": "string"},
        "output": {"type": "string"},
        "method_details": {"files_as": "path"},
    }
    assert with_files(call, declared["input"], declared) is call


@pytest.mark.parametrize(
    ("declared", "suffix"),
    [
        (FILE, ""),
        (PNG, ".png"),
        ({"type": "file", "file_types": ["application/x-unheard-of", "text/csv"]}, ".csv"),
        ({"type": "file", "file_types": ["chemical/x-cif"]}, ".cif"),
    ],
)
def test_a_file_ends_as_its_type_says(tmp_path, declared, suffix):
    assert placer(declared)(b"", tmp_path).suffix == suffix


def test_what_is_no_content_stays(tmp_path):
    reference = {"url": "http://x"}
    assert placer(FILE)(reference, tmp_path) is reference


@pytest.mark.parametrize(
    ("declared", "make", "expected"),
    [
        (FILE, lambda path: path, b"x"),
        (FILE, lambda path: b"y", b"y"),
        ({"type": "list", "item_type": "file"}, lambda path: [path, b"y"], [b"x", b"y"]),
        ({"type": "tuple", "element_types": [FILE]}, lambda path: (path,), (b"x",)),
        ({"type": "dict", "properties": {"f": FILE}}, lambda path: {"f": path, "n": 1}, {"f": b"x", "n": 1}),
    ],
)
def test_paths_in_outputs_become_contents(tmp_path, declared, make, expected):
    path = tmp_path / "f"
    path.write_bytes(b"x")
    assert contents(make(path), declared) == expected


@pytest.mark.parametrize("declared", [FILE, {"type": "list", "item_type": FILE}])
def test_a_text_is_no_file(declared):
    value = "out.png" if declared is FILE else ["out.png"]
    with pytest.raises(OutputMismatch, match=r"pathlib\.Path"):
        contents(value, declared)


def test_a_path_that_leads_nowhere_is_the_models_fault(tmp_path):
    with pytest.raises(FileNotFoundError):
        contents(Path(tmp_path / "missing"), FILE)
