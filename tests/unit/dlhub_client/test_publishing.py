from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
from unit.dlhub_client.fake_gateway import Build, FakeGateway, Trouble
from unit.proto_msgs.original.documents import STATIC

from dlhub_client import AsyncDLHubClient, Progress, describe
from dlhub_client.errors import BuildFailed, Cancelled, DeadlineExceeded, Malformed


def write_servable(folder: Path, files: dict[str, Any] | None = None) -> Path:
    folder.mkdir(exist_ok=True)
    argument = {"type": "float"}
    method = {"input": argument, "output": argument, "method_details": {"module": "app", "method_name": "f"}}
    document = {
        "datacite": {"titles": [{"title": "T"}]},
        "dlhub": {"name": "model", "files": files or {}},
        "servable": {"type": "Python static method", "methods": {"run": method}},
    }
    (folder / "dlhub.json").write_text(json.dumps(document))
    (folder / "app.py").write_text("def f(x):\n    return x\n")
    (folder / "weights.bin").write_bytes(bytes(1000))
    (folder / "notes.txt").write_text("mine")
    return folder


def names(archive: bytes) -> list[str]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return tar.getnames()


async def test_a_folder_is_published_and_its_build_awaited(
    hub: AsyncDLHubClient, gateway: FakeGateway, tmp_path: Path
) -> None:
    published = await hub.publish_servable(write_servable(tmp_path / "m"))
    assert (published.name, published.version, published.exact_name) == ("ada/model", 1, "ada/model@1")
    assert published.created
    assert published.url == f"{gateway.url}/api/v1/servables/ada/model@1"
    ((metadata, archive),) = gateway.uploads
    assert metadata["dlhub"]["name"] == "model"
    assert names(archive) == ["app.py", "dlhub.json", "notes.txt", "weights.bin"]


async def test_listed_files_travel_with_the_module_and_nothing_else(
    hub: AsyncDLHubClient, gateway: FakeGateway, tmp_path: Path
) -> None:
    await hub.publish_servable(write_servable(tmp_path / "m", {"other": ["weights.bin"]}))
    assert names(gateway.uploads[0][1]) == ["app.py", "dlhub.json", "weights.bin"]


async def test_a_listed_file_that_is_missing_is_named(hub: AsyncDLHubClient, tmp_path: Path) -> None:
    with pytest.raises(Malformed, match=r"lists gone\.bin"):
        await hub.publish_servable(write_servable(tmp_path / "m", {"model": "gone.bin"}))


async def test_a_description_is_published_without_a_folder(
    hub: AsyncDLHubClient, gateway: FakeGateway, tmp_path: Path
) -> None:
    (tmp_path / "app.py").write_text("def f(x):\n    return x\n")
    model = describe.static_method(("app", "f"), files=[tmp_path / "app.py"], name="f")
    await hub.publish_servable(model, wait=False)
    metadata, archive = gateway.uploads[0]
    assert names(archive) == ["app.py", "dlhub.json"]
    assert metadata == model.to_dict()


async def test_easy_publish_describes_and_publishes(
    hub: AsyncDLHubClient, gateway: FakeGateway, tmp_path: Path
) -> None:
    (tmp_path / "app.py").write_text("def f(x):\n    return x\n")
    options = {"function": ("app", "f"), "files": [tmp_path / "app.py"]}
    await hub.easy_publish(
        "A title",
        ["Lovelace, Ada"],
        "easy",
        "static_method",
        options,
        affiliations=["London"],
        paper_doi="10.1/x",
        visible_to=["public"],
    )
    metadata = gateway.uploads[0][0]
    assert metadata["datacite"]["creators"][0]["affiliation"] == [{"name": "London"}]
    assert metadata["datacite"]["relatedIdentifiers"][0]["relationType"] == "IsDescribedBy"
    assert metadata["dlhub"]["visible_to"] == ["public"]


async def test_progress_goes_from_packing_to_the_build(
    hub: AsyncDLHubClient, gateway: FakeGateway, tmp_path: Path
) -> None:
    seen: list[Progress] = []
    await hub.publish_servable(write_servable(tmp_path / "m"), on_progress=seen.append)
    assert seen[0].stage == "pack"
    uploads = [progress for progress in seen if progress.stage == "upload"]
    assert uploads[-1].done == uploads[-1].total == len(gateway.uploads[0][1])
    assert [(x.step, x.text) for x in seen if x.stage == "build"] == gateway.build.lines


async def test_a_large_archive_is_read_in_pieces(hub: AsyncDLHubClient, tmp_path: Path) -> None:
    import random

    folder = write_servable(tmp_path / "m")
    (folder / "weights.bin").write_bytes(random.Random(0).randbytes(3_000_000))
    seen: list[Progress] = []
    await hub.publish_servable(folder, on_progress=seen.append)
    assert len([x for x in seen if x.stage == "upload"]) > 10


async def test_a_cut_upload_is_sent_again_from_its_start(
    hub: AsyncDLHubClient, gateway: FakeGateway, tmp_path: Path
) -> None:
    gateway.troubles.append(Trouble())
    await hub.publish_servable(write_servable(tmp_path / "m"))
    first, second = gateway.posts("/servables")
    assert first.key == second.key
    assert "app.py" in names(gateway.uploads[0][1])


async def test_the_same_content_again_says_that_nothing_was_created(
    hub: AsyncDLHubClient, gateway: FakeGateway, tmp_path: Path
) -> None:
    gateway.known_already = True
    assert not (await hub.publish_servable(write_servable(tmp_path / "m"))).created


async def test_the_log_goes_on_where_a_connection_was_lost(
    hub: AsyncDLHubClient, gateway: FakeGateway
) -> None:
    gateway.build = Build(lines=[("lock", str(number)) for number in range(6)], cut_after=3)
    texts = [line.text async for line in hub.build_log("b1", follow=True)]
    assert texts == ["0", "1", "2", "3", "4", "5"]
    logs = [seen for seen in gateway.seen if seen.path.endswith("/log")]
    assert logs[1].headers["Last-Event-ID"] == "2"


async def test_a_failed_build_raises_with_step_reason_and_last_lines(
    hub: AsyncDLHubClient, gateway: FakeGateway, tmp_path: Path
) -> None:
    gateway.build = Build(
        status="failed",
        lines=[("lock", f"line {number}") for number in range(30)],
        failure={"code": "build_failed", "message": "no such package", "details": {"step": "lock"}},
    )
    with pytest.raises(BuildFailed, match=r"(?s)step 'lock': no such package.*line 29") as caught:
        await hub.publish_servable(write_servable(tmp_path / "m"))
    assert caught.value.details["step"] == "lock"
    assert "line 1\n" not in str(caught.value)


async def test_a_cancelled_build_raises_cancelled(hub: AsyncDLHubClient, gateway: FakeGateway) -> None:
    gateway.build = Build(status="cancelled")
    with pytest.raises(Cancelled, match="b1"):
        await hub.wait_for_build("b1")


async def test_a_build_that_takes_too_long_is_left_with_advice(
    hub: AsyncDLHubClient, gateway: FakeGateway
) -> None:
    gateway.build = Build(status="building", endless=True)
    with pytest.raises(DeadlineExceeded, match="dlhub logs --build b1 -f"):
        await hub.wait_for_build("b1", timeout_s=0.2)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [(None, "dlhub init"), ("{", "not JSON"), ("{}", "datacite: Field required")],
)
async def test_a_folder_that_is_no_servable_says_why(
    hub: AsyncDLHubClient, tmp_path: Path, content: str | None, complaint: str
) -> None:
    if content is not None:
        (tmp_path / "dlhub.json").write_text(content)
    with pytest.raises(Malformed, match=complaint):
        await hub.publish_servable(tmp_path)


async def test_a_folder_that_is_not_there_is_named(hub: AsyncDLHubClient, tmp_path: Path) -> None:
    with pytest.raises(Malformed, match="nowhere"):
        await hub.publish_servable(tmp_path / "nowhere")


async def test_the_log_so_far_does_not_wait_for_the_build(
    hub: AsyncDLHubClient, gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dlhub_client.follow.PAUSE_S", 0.3)
    gateway.build = Build(status="building", endless=True)
    assert [line.text async for line in hub.build_log("b1")] == ["2 files", "numpy"]


async def test_a_folder_with_a_document_of_the_original_is_sent_as_it_is(
    hub: AsyncDLHubClient, gateway: FakeGateway, tmp_path: Path
) -> None:
    folder = write_servable(tmp_path / "m")
    (folder / "dlhub.json").write_text(json.dumps(STATIC))
    await hub.publish_servable(folder)
    ((metadata, _),) = gateway.uploads
    assert metadata == STATIC


async def test_a_folder_whose_description_contradicts_itself_is_not_sent(
    hub: AsyncDLHubClient, gateway: FakeGateway, tmp_path: Path
) -> None:
    folder = write_servable(tmp_path / "m")
    document = json.loads((folder / "dlhub.json").read_text())
    document["servable"]["methods"]["run"]["input"]["shape"] = [3]
    (folder / "dlhub.json").write_text(json.dumps(document))
    with pytest.raises(Malformed, match=r"dlhub\.json is not valid: .*the type 'float' has no field 'shape'"):
        await hub.publish_servable(folder)
    assert gateway.uploads == []
