"""Pictures and files through a whole hub: the README's lines, forms, addresses, paths."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlhub_client import DLHubClient, describe
from dlhub_types import picture_files
from proto_msgs.errors import InputMismatch

from .conftest import RunningHub

ROOT = Path(__file__).parents[2]
PIXELS = np.random.default_rng(4).integers(0, 256, (40, 30, 3)).astype("u1")
SOURCE = """
from pathlib import Path

def run(file):
    assert isinstance(file, Path) and file.suffix == ".png", file
    made = file.with_name("made.bin")
    made.write_bytes(file.read_bytes()[::-1])
    return made

def where(file):
    return str(file)
"""


@pytest.fixture(scope="module")
def reverses(client: DLHubClient, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Takes a file by path and gives one."""
    folder = tmp_path_factory.mktemp("reverses")
    (folder / "by_path.py").write_text(SOURCE)
    file = describe.argument("file") | {"file_types": ["image/png"]}
    description = describe.static_method(
        ("by_path", "run"),
        files=[folder / "by_path.py"],
        inputs=file,
        outputs=describe.argument("file"),
        name="reverses",
        title="Reverses",
        creators="Tester, Ada",
    )
    document = description.to_dict()
    method = document["servable"]["methods"]["run"]
    method["method_details"]["files_as"] = "path"
    details = {**method["method_details"], "method_name": "where"}
    text = describe.argument("string")
    document["servable"]["methods"]["where"] = {"input": file, "output": text, "method_details": details}
    written = description.write(folder / "published")
    (written / "dlhub.json").write_text(json.dumps(document))
    return client.publish_servable(written).name


def png(size_bytes: int) -> bytes:
    """What begins as a PNG file does."""
    return b"\x89PNG\r\n\x1a\n" + os.urandom(size_bytes)


def lines_of_the_readme() -> str:
    text = (ROOT / "README.md").read_text()
    (found,) = re.findall(r"test_media\.py runs these lines -->\n((?:    .*\n)+)", text)
    return str(found)


def test_the_lines_of_the_readme_make_a_negative(hub: RunningHub, tmp_path: Path) -> None:
    (tmp_path / "picture.png").write_bytes(picture_files.write(PIXELS, "image/png"))
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    environment = {
        **os.environ,
        "DLHUB_URL": hub.url,
        "DLHUB_TOKEN": hub.token,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    seen: list[Any] = []
    commands = lines_of_the_readme().replace("    dlhub run", "    mv negative.png first.png\n    dlhub run")
    done = subprocess.run(
        ["bash", "-euc", commands], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr

    for name in ("first.png", "negative.png"):
        data = (tmp_path / name).read_bytes()
        seen.append(picture_files.read(io.BytesIO(data), "image/png").tolist())
    assert seen == [(255 - PIXELS).tolist()] * 2


def test_a_method_gets_a_path_and_gives_one(client: DLHubClient, reverses: str, tmp_path: Path) -> None:
    content = png(3_000_000)
    (tmp_path / "x.png").write_bytes(content)

    assert client.run(reverses, tmp_path / "x.png") == content[::-1]
    assert client.run(reverses, content[:9]) == content[8::-1]


def test_a_file_of_another_type_is_refused(client: DLHubClient, reverses: str, tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(b"GIF89a" + bytes(100))
    with pytest.raises(InputMismatch, match="inputs: a content of type image/gif came"):
        client.run(reverses, tmp_path / "x.png")


def test_the_folder_of_a_run_is_gone_after_it(client: DLHubClient, reverses: str) -> None:
    path = Path(client.run(reverses, png(1), method="where"))
    assert path.suffix == ".png"
    assert not path.parent.exists()


def test_a_file_above_8_mib_is_uploaded_by_itself(client: DLHubClient, reverses: str, tmp_path: Path) -> None:
    content = png(9 * 1024 * 1024)
    (tmp_path / "x.png").write_bytes(content)
    assert client.run(reverses, tmp_path / "x.png") == content[::-1]


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """A web server on this machine."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=folder))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_hub_fetches_nothing_from_inside(client: DLHubClient, reverses: str, tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(b"secret")
    with served(tmp_path) as url, pytest.raises(InputMismatch, match="not public"):
        client.run(reverses, {"url": f"{url}/x.png"})


def test_a_blob_is_referred_to_by_its_hash(client: DLHubClient, reverses: str, hub: RunningHub) -> None:
    content = png(2_000_000)
    sha256 = hashlib.sha256(content).hexdigest()
    with pytest.raises(InputMismatch, match=f"PUT /api/v1/blobs/{sha256}"):
        client.run(reverses, {"sha256": sha256})
    import urllib.request

    request = urllib.request.Request(
        f"{hub.url}/api/v1/blobs/{sha256}",
        content,
        {"Authorization": f"Bearer {hub.token}", "Content-Type": "application/octet-stream"},
        method="PUT",
    )
    with urllib.request.urlopen(request) as response:
        assert response.status == 201
    assert client.run(reverses, {"sha256": sha256}) == content[::-1]
