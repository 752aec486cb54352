"""Builds with real packages, from the index that DLHUB_BUILDER_* configure (else the public one)."""

from __future__ import annotations

import asyncio
import json
import os
import pickle
import subprocess
from pathlib import Path
from typing import Any

import pytest
import sklearn
from pydantic import SecretStr
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from dlhub_build.build import BuildRequest, build
from dlhub_build.interpreters import find_interpreters
from dlhub_build.packing import pack_directory
from dlhub_build.report import NoReport
from dlhub_build.settings import BuildSettings
from dlhub_build.venv import materialise
from dlhub_runtime.blobs import BlobStore
from proto_msgs.description import Description
from proto_msgs.errors import BuildFailed

EXAMPLE = [[5.1, 3.5, 1.4, 0.2]]


def configured(environments_dir: Path) -> BuildSettings:
    options: dict[str, Any] = {"environments_dir": environments_dir}
    if index := os.environ.get("DLHUB_BUILDER_INDEX_URL"):
        options["index_url"] = index
    if links := os.environ.get("DLHUB_BUILDER_FIND_LINKS"):
        options["find_links"] = tuple(links.split())
    if ca := os.environ.get("DLHUB_BUILDER_CA"):
        options["ca"] = Path(ca)
    return BuildSettings.model_validate(options)


def description(servable: dict[str, Any], dependencies: dict[str, str | None]) -> Description:
    return Description.model_validate(
        {
            "datacite": {"titles": [{"title": "Test"}]},
            "dlhub": {
                "name": "test",
                "files": {"model": "model.pkl"},
                "dependencies": {"python": dependencies},
            },
            "servable": servable,
        }
    )


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    return BlobStore.from_url(f"file://{tmp_path}/blobs")


async def test_an_iris_classifier_is_built_and_built_again_without_an_index(
    tmp_path: Path, store: BlobStore
) -> None:
    folder = tmp_path / "iris"
    folder.mkdir()
    model = LogisticRegression(max_iter=500).fit(*load_iris(return_X_y=True))
    (folder / "model.pkl").write_bytes(pickle.dumps(model))
    method = {
        "input": {"type": "ndarray", "shape": [None, 4], "item_type": {"type": "float"}},
        "output": {"type": "ndarray", "shape": [None, 3], "item_type": {"type": "float"}},
        "method_details": {"method_name": "predict_proba"},
        "example": {"inputs": EXAMPLE},
    }
    servable = {"type": "Scikit-learn estimator", "options": {"serialization_method": "pickle"},
                "methods": {"run": method}}  # fmt: skip
    archive = await store.put_file(pack_directory(folder, tmp_path / "iris.tar.gz"))
    request = BuildRequest(archive, description(servable, {"scikit-learn": sklearn.__version__}))

    built = await build(request, store, configured(tmp_path / "environments"), NoReport())

    assert built.tested == ("run",)
    assert built.environment.packages["scikit-learn"] == sklearn.__version__

    paths = await materialise(built.environment, store, tmp_path / "site")
    predict = (
        f"import json, pickle; model = pickle.load(open({str(paths.files_dir / 'model.pkl')!r}, 'rb'));"
        f"print(json.dumps(model.predict_proba({EXAMPLE}).tolist()))"
    )
    printed = await asyncio.to_thread(subprocess.check_output, [paths.python, "-I", "-c", predict])
    assert json.loads(printed)[0] == pytest.approx(model.predict_proba(EXAMPLE)[0].tolist(), abs=1e-12)

    nowhere = BuildSettings(
        environments_dir=tmp_path / "elsewhere", index_url=SecretStr("http://127.0.0.1:9/simple")
    )
    again = BuildRequest(archive, request.description, built.environment)
    assert (await build(again, store, nowhere, NoReport())).environment == built.environment


@pytest.mark.parametrize("minor", sorted({found.minor for found in find_interpreters()}))
async def test_a_function_is_built_for_every_python_of_this_machine(
    minor: str, tmp_path: Path, store: BlobStore
) -> None:
    folder = tmp_path / "f"
    folder.mkdir()
    (folder / "app.py").write_text("import sys\ndef run(x): return sys.version")
    (folder / "runtime.txt").write_text(f"python-{minor}\n")
    method = {"input": {"type": "string"}, "output": {"type": "string"}, "example": {"inputs": "x"},
              "method_details": {"module": "app", "method_name": "run"}}  # fmt: skip
    archive = await store.put_file(pack_directory(folder, tmp_path / "f.tar.gz"))
    request = BuildRequest(
        archive, description({"type": "Python static method", "methods": {"run": method}}, {})
    )

    built = await build(request, store, configured(tmp_path / "environments"), NoReport())

    assert built.environment.python == minor
    assert built.tested == ("run",)


async def test_a_conflict_of_real_packages_is_told_by_the_resolver(tmp_path: Path, store: BlobStore) -> None:
    (tmp_path / "empty").mkdir()
    servable = {"type": "Python static method",
                "methods": {"run": {"input": {"type": "string"}, "output": {"type": "string"}}}}  # fmt: skip
    archive = await store.put_file(pack_directory(tmp_path / "empty", tmp_path / "e.tar.gz"))
    request = BuildRequest(archive, description(servable, {"scipy": "1.17.1", "numpy": "1.26.0"}))
    with pytest.raises(BuildFailed) as caught:
        await build(request, store, configured(tmp_path / "environments"), NoReport())
    assert "scipy==1.17.1 depends on numpy>=" in caught.value.message
    assert caught.value.details["step"] == "lock"
