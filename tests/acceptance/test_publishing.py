"""What may be wrong with what somebody publishes, and what becomes of it."""

from __future__ import annotations

import io
import json
import os
import signal
import tarfile
import time
import urllib.error
import urllib.request
import zipfile
from pathlib import Path
from typing import Any

import pytest

from dlhub_client import DLHubClient
from proto_msgs.errors import BuildFailed, LoadFailed, Malformed

from .conftest import RunningHub, until, write_servable

OK = "def run(x):\n    return x\n"
SLOW = "import time\ntime.sleep(600)\ndef run(x):\n    return x\n"


def tar_of(**members: bytes) -> bytes:
    """A tar.gz with members of these names; `..` in a name is kept as it is."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def description(name: str) -> dict[str, Any]:
    any_value = {"type": "python object", "python_type": "object"}
    method = {
        "input": any_value,
        "output": any_value,
        "method_details": {"module": "app", "method_name": "run"},
    }
    return {
        "datacite": {"titles": [{"title": "Bad"}], "creators": []},
        "dlhub": {"name": name},
        "servable": {"type": "Python static method", "methods": {"run": method}},
    }


def post(hub: RunningHub, archive: bytes, metadata: Any) -> dict[str, Any]:
    """Publish as any HTTP client would; the answer, or the problem document."""
    boundary = "----dlhub-test"
    parts = [
        (b'name="metadata"\r\nContent-Type: application/json', json.dumps(metadata).encode()),
        (b'name="archive"; filename="a.tar.gz"\r\nContent-Type: application/octet-stream', archive),
    ]
    body = b"".join(
        b"--%s\r\nContent-Disposition: form-data; %s\r\n\r\n%s\r\n" % (boundary.encode(), head, content)
        for head, content in parts
    )
    request = urllib.request.Request(
        f"{hub.url}/api/v1/servables",
        data=body + b"--%s--\r\n" % boundary.encode(),
        headers={
            "Authorization": f"Bearer {hub.token}",
            "Content-Type": f"multipart/form-data; boundary={boundary}",
        },
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            answer: dict[str, Any] = json.load(response)
    except urllib.error.HTTPError as error:
        answer = json.load(error)
    return answer


def failed_build(client: DLHubClient, build_id: str) -> dict[str, Any]:
    """The build, once it has ended."""
    build = until(
        lambda: (b := client.get_build(build_id))["status"] not in ("queued", "building") and b, "its end"
    )
    assert build["status"] == "failed"
    return dict(build)


def test_the_same_again_builds_nothing(client: DLHubClient, tmp_path: Path) -> None:
    folder = write_servable(tmp_path, "twice", source=OK)
    first = client.publish_servable(folder)
    began = time.monotonic()
    second = client.publish_servable(folder)
    assert (second.version_id, second.created) == (first.version_id, False)
    assert time.monotonic() - began < 3


def test_another_description_is_a_new_version_on_the_same_environment(
    client: DLHubClient, tmp_path: Path
) -> None:
    first = client.publish_servable(write_servable(tmp_path, "again", source=OK))
    second = client.publish_servable(write_servable(tmp_path, "again", source=OK, tags=["new"]))
    assert (first.version, second.version) == (1, 2)
    keys = [client.describe_servable(f"{p.name}@{p.version}")["environment"]["key"] for p in (first, second)]
    assert keys[0] == keys[1]
    assert client.run(second.name, "x") == "x"
    assert client.run(f"{second.name}@1", "x") == "x"


def test_a_dependency_that_does_not_exist(client: DLHubClient, tmp_path: Path) -> None:
    folder = write_servable(
        tmp_path, "nodep", source=OK, dependencies={"python": {"dlhub-no-such-package": "1.0"}}
    )
    with pytest.raises(BuildFailed, match="dlhub-no-such-package") as raised:
        client.publish_servable(folder)
    assert raised.value.details["step"] == "lock"


def test_an_interpreter_that_is_not_there(client: DLHubClient, tmp_path: Path) -> None:
    folder = write_servable(tmp_path, "nopython", source=OK)
    (folder / "runtime.txt").write_text("python-3.99\n")
    with pytest.raises(BuildFailed, match=r"3\.99.*3\.1"):
        client.publish_servable(folder)


def test_a_module_that_cannot_be_imported_fails_the_smoke_test(client: DLHubClient, tmp_path: Path) -> None:
    folder = write_servable(tmp_path, "broken", source="import no_such_module\n" + OK)
    with pytest.raises(BuildFailed, match="no_such_module") as raised:
        client.publish_servable(folder)
    assert raised.value.details["step"] == "smoke test"


@pytest.mark.parametrize("name", ["../outside.py", "/etc/outside.py", "a/../../outside.py"])
def test_paths_that_lead_outside(client: DLHubClient, hub: RunningHub, name: str) -> None:
    answer = post(hub, tar_of(**{"app.py": OK.encode(), name: b"x"}), description("escape"))
    build = failed_build(client, answer["build_id"])
    assert "outside.py" in build["error"]["message"]
    assert not list(hub.home.rglob("outside.py"))


def test_a_bomb(client: DLHubClient, hub: RunningHub) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("app.py", OK)
        archive.writestr("zeros.bin", bytes(300_000_000))
    answer = post(hub, buffer.getvalue(), description("bomb"))
    assert "zeros.bin" in failed_build(client, answer["build_id"])["error"]["message"]


def test_what_is_no_archive(client: DLHubClient, hub: RunningHub) -> None:
    answer = post(hub, b"not an archive at all", description("noarchive"))
    assert failed_build(client, answer["build_id"])["error"]["code"] == "build_failed"


def test_a_description_that_is_not_valid_names_the_place(hub: RunningHub) -> None:
    wrong = description("wrong")
    wrong["servable"]["methods"]["run"]["input"] = {"type": "flaot"}
    answer = post(hub, tar_of(**{"app.py": OK.encode()}), wrong)
    assert answer["status"] == 400
    assert "servable.methods.run.input.type" in answer["detail"]


def test_a_folder_without_a_description(client: DLHubClient, tmp_path: Path) -> None:
    with pytest.raises((Malformed, FileNotFoundError), match=r"dlhub\.json"):
        client.publish_servable(tmp_path)


def test_a_failed_build_keeps_its_log(client: DLHubClient, hub: RunningHub, tmp_path: Path) -> None:
    folder = write_servable(tmp_path, "logged", source="raise SystemError('so it goes')\n")
    with pytest.raises(BuildFailed):
        client.publish_servable(folder)
    build = next(b for b in client.builds() if b["servable"].endswith("/logged"))
    assert "so it goes" in "\n".join(line.text for line in client.build_log(build["build_id"]))
    assert "so it goes" in hub.cli("builds", "logs", build["build_id"]).stdout


def test_a_failed_version_can_be_published_again(client: DLHubClient, tmp_path: Path) -> None:
    with pytest.raises(BuildFailed):
        client.publish_servable(write_servable(tmp_path, "retry", source="1/0\n"))
    fixed = client.publish_servable(write_servable(tmp_path, "retry", source=OK))
    assert client.run(fixed.name, 5) == 5


def test_a_cancelled_build_ends_its_processes(client: DLHubClient, tmp_path: Path) -> None:
    published = client.publish_servable(write_servable(tmp_path, "slow", source=SLOW), wait=False)
    until(lambda: client.get_build(published.build_id)["step"] == "smoke test", "the smoke test")
    pids = until(lambda: processes_in("--once"), "its process")
    client.cancel_build(published.build_id)
    until(lambda: not [pid for pid in pids if Path(f"/proc/{pid}").exists()], "its end", 15)
    assert client.get_build(published.build_id)["status"] == "cancelled"


def test_a_builder_that_dies_leaves_no_build_behind(
    client: DLHubClient, hub: RunningHub, tmp_path: Path
) -> None:
    published = client.publish_servable(write_servable(tmp_path, "orphan", source=SLOW), wait=False)
    until(lambda: client.get_build(published.build_id)["step"] == "smoke test", "the smoke test")
    left = until(lambda: processes_in("--once"), "its process")
    hub.kill("builder")
    fast = client.publish_servable(write_servable(tmp_path / "other", "other", source=OK))
    assert client.run(fast.name, 1) == 1
    taken_over = until(
        lambda: [pid for pid in processes_in("--once") if pid not in left], "another builder's try", 90
    )
    client.cancel_build(published.build_id)
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in taken_over), "its end", 15)
    for pid in left:
        if Path(f"/proc/{pid}").exists():
            os.kill(pid, signal.SIGKILL)


def processes_in(*words: str) -> list[int]:
    """Ids of processes with all `words` among their arguments."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            arguments = path.read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue  # it ended meanwhile
        if all(word in arguments for word in words):
            found.append(int(path.parent.name))
    return found


def test_a_model_that_loads_in_the_smoke_test_but_not_in_a_replica(
    client: DLHubClient, tmp_path: Path
) -> None:
    """As when a file that it reads outside its folder has gone."""
    outside = tmp_path / "outside.txt"
    outside.write_text("here")
    source = f"text = open({str(outside)!r}).read()\n" + OK
    name = client.publish_servable(write_servable(tmp_path / "s", "fickle", source=source)).name
    outside.unlink()
    with pytest.raises(LoadFailed, match=r"outside\.txt"):
        client.run(name, 1, timeout_s=30)
    with pytest.raises(LoadFailed):
        client.run_async(name, 1).result(timeout=30)
