from __future__ import annotations

from typing import Any

import pytest

from dlhub_build.interpreters import Interpreter, choose, find_interpreters, read_wish
from dlhub_build.lock import Package, Source, environment_key, lock_text, parse_pylock, resolve
from dlhub_build.requirements import Requirements
from dlhub_build.uv import Uv
from proto_msgs.blobs import NamedBlob
from proto_msgs.errors import BuildFailed


@pytest.fixture
def interpreter(uv: Uv) -> Interpreter:
    return choose(read_wish(uv.work), find_interpreters())


async def resolved(uv: Uv, interpreter: Interpreter, *lines: str) -> tuple[Package, ...]:
    return await resolve(Requirements(list(lines)), interpreter, uv, uv.report)


async def test_dependencies_of_dependencies_are_in_the_lock(
    uv: Uv, packages: Any, interpreter: Interpreter
) -> None:
    wheel = packages.wheel("inner", "1.5")
    packages.wheel("outer", "2.0", "inner>=1")
    found = await resolved(uv, interpreter, "outer")
    assert [(p.name, p.version) for p in found] == [("inner", "1.5"), ("outer", "2.0")]
    assert found[0].wheel is not None
    assert found[0].wheel.url == wheel.as_uri()


async def test_a_missing_package_fails_with_the_resolvers_words(
    uv: Uv, packages: Any, interpreter: Interpreter
) -> None:
    with pytest.raises(BuildFailed, match="no-such-package") as caught:
        await resolved(uv, interpreter, "no-such-package")
    assert caught.value.details["step"] == "lock"
    assert "not found" in caught.value.message


async def test_a_conflict_names_both_sides(uv: Uv, packages: Any, interpreter: Interpreter) -> None:
    packages.wheel("inner", "1.0")
    packages.wheel("inner", "2.0")
    packages.wheel("outer", "1.0", "inner>=2")
    with pytest.raises(BuildFailed) as caught:
        await resolved(uv, interpreter, "outer", "inner==1.0")
    assert "inner>=2" in caught.value.message
    assert "inner==1.0" in caught.value.message


async def test_the_machines_own_configuration_plays_no_part(
    uv: Uv, packages: Any, interpreter: Interpreter, monkeypatch: pytest.MonkeyPatch
) -> None:
    packages.wheel("inner", "1.0")
    for name in ("UV_INDEX_URL", "UV_DEFAULT_INDEX", "PIP_INDEX_URL", "UV_CONSTRAINT"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/simple")
    assert [p.name for p in await resolved(uv, interpreter, "inner")] == ["inner"]


async def test_a_hash_that_the_servable_insists_on_must_match(
    uv: Uv, packages: Any, interpreter: Interpreter
) -> None:
    packages.wheel("inner", "1.0")
    requirements = Requirements(["inner"], {"inner": frozenset({"0" * 64})})
    with pytest.raises(BuildFailed, match="hash is not among"):
        await resolve(requirements, interpreter, uv, uv.report)


async def test_an_unreachable_index_is_an_error_of_the_lock(
    uv: Uv, interpreter: Interpreter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Uv, "_options", lambda _: ['index-url = "http://127.0.0.1:9/simple"'])
    monkeypatch.setattr(Uv, "_environment", lambda _: {"UV_HTTP_RETRIES": "0"})
    with pytest.raises(BuildFailed, match=r"127\.0\.0\.1:9"):
        await resolved(uv, interpreter, "inner")


def test_only_names_of_files_are_taken_from_the_index() -> None:
    text = '[[packages]]\nname = "x"\nversion = "1"\nwheels = [{url = "https://h/a%2F..%2Fb.whl"}]\n'
    assert parse_pylock(text)[0].wheel == Source("https://h/a%2F..%2Fb.whl", "b.whl", None, None)
    with pytest.raises(ValueError, match="odd name"):
        parse_pylock(text.replace("b.whl", "%00.whl"))


def test_the_lock_is_sorted_and_names_no_index() -> None:
    found = [
        Package(name, "1", Source("https://index/x.whl", "x.whl", None, None), None) for name in ("B_b", "a")
    ]
    wheels = [NamedBlob(name="x.whl", sha256=digit * 64, size_bytes=1) for digit in "12"]
    assert lock_text(found, wheels) == f"a==1 --hash=sha256:{'2' * 64}\nb-b==1 --hash=sha256:{'1' * 64}\n"


def test_the_key_depends_on_lock_python_and_platform() -> None:
    keys = {environment_key(*key) for key in (("l", "3.11", "p"), ("m", "3.11", "p"), ("l", "3.12", "p"),
                                              ("l", "3.11", "q"))}  # fmt: skip
    assert len(keys) == 4
    assert environment_key("l", "3.11", "p") in keys
