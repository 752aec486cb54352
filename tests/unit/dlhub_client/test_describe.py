from __future__ import annotations

import datetime
import json
import pickle
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import joblib
import numpy as np
import numpy.typing as npt
import pytest
from sklearn.datasets import load_iris
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from dlhub_client import describe
from dlhub_client.describe.easy import easy_description
from dlhub_client.errors import Malformed
from proto_msgs.description import Description

# --- types ---


@pytest.mark.parametrize(
    ("hint", "block"),
    [
        (bool, {"type": "boolean"}),
        (int, {"type": "integer"}),
        (float, {"type": "float"}),
        (complex, {"type": "complex"}),
        (str, {"type": "string"}),
        (datetime.datetime, {"type": "datetime"}),
        (datetime.timedelta, {"type": "timedelta"}),
        (list[int], {"type": "list", "item_type": {"type": "integer"}}),
        (Sequence[str], {"type": "list", "item_type": {"type": "string"}}),
        (
            tuple[int, str],
            {"type": "tuple", "element_types": [{"type": "integer"}, {"type": "string"}]},
        ),
        (tuple[float, ...], {"type": "list", "item_type": {"type": "float"}}),
        (dict[str, float], {"type": "dict", "properties": {}}),
        (Mapping[str, int], {"type": "dict", "properties": {}}),
        (dict, {"type": "dict", "properties": {}}),
        (np.ndarray, {"type": "ndarray", "item_type": {"type": "float"}}),
        (npt.NDArray[np.int64], {"type": "ndarray", "item_type": {"type": "integer"}}),
        (npt.NDArray[np.bool_], {"type": "ndarray", "item_type": {"type": "boolean"}}),
        (Annotated[int, "count"], {"type": "integer"}),
        (None, {"type": "python object", "python_type": "builtins.NoneType"}),
        (Path, {"type": "python object", "python_type": "pathlib.Path"}),
        (int | str, {"type": "python object", "python_type": "int | str"}),
        (list, {"type": "python object", "python_type": "builtins.list"}),
    ],
)
def test_a_type_hint_becomes_a_block(hint: Any, block: dict[str, Any]) -> None:
    assert describe.from_hint(hint) == block


def test_an_argument_without_what_its_type_needs_is_refused() -> None:
    with pytest.raises(Malformed, match="item_type"):
        describe.argument("list")


def test_an_argument_may_say_all_that_a_description_can() -> None:
    shape = ["frames", "height", "width", 1]
    block = describe.argument(
        "ndarray", "Pictures", shape=shape, dtype="float32", minimum=0, maximum=1, units="1/cm", name="noisy"
    )
    assert block == {
        "type": "ndarray",
        "name": "noisy",
        "description": "Pictures",
        "units": "1/cm",
        "shape": shape,
        "dtype": "float32",
        "minimum": 0,
        "maximum": 1,
    }
    assert describe.argument("string", choices=("a", "b"))["choices"] == ["a", "b"]
    assert describe.argument("file", file_types=["image/png"])["file_types"] == ["image/png"]
    table = describe.argument("ndarray", item_type="float", feature_names=("x", "y"))
    assert table["feature_names"] == ["x", "y"]


def test_an_argument_with_a_field_of_another_type_is_refused() -> None:
    with pytest.raises(Malformed, match="no field 'minimum'"):
        describe.argument("string", minimum=0)


# --- functions ---


def make_module(folder: Path, name: str, text: str) -> Any:
    (folder / f"{name}.py").write_text(text)
    spec_from = __import__("importlib.util").util
    spec = spec_from.spec_from_file_location(name, folder / f"{name}.py")
    module = spec_from.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def scaling(tmp_path: Path) -> Any:
    text = "def scale(x: float, by: float = 2.0) -> float:\n    return x * by\n"
    yield make_module(tmp_path, "scaling_module", text)
    del sys.modules["scaling_module"]


def test_a_function_is_described_by_its_signature(scaling: Any, tmp_path: Path) -> None:
    model = describe.static_method(scaling.scale, title="Scaling", creators="Lovelace, Ada")
    run = model.to_dict()["servable"]["methods"]["run"]
    assert run == {
        "input": {"type": "float"},
        "output": {"type": "float"},
        "parameters": {"by": 2.0},
        "parameter_types": {"by": {"type": "float"}},
        "method_details": {"module": "scaling_module", "method_name": "scale"},
    }
    assert model.to_dict()["dlhub"]["files"] == {"other": ["scaling_module.py"]}


def test_several_arguments_are_taken_from_a_tuple(tmp_path: Path) -> None:
    module = make_module(tmp_path, "adding", "def add(a: int, b: int) -> int:\n    return a + b\n")
    run = describe.static_method(module.add).to_dict()["servable"]["methods"]["run"]
    named = [{"type": "integer", "name": "a"}, {"type": "integer", "name": "b"}]
    assert run["input"]["element_types"] == named
    assert run["method_details"]["unpack"] is True


def test_autobatch_makes_lists_of_both_ends(scaling: Any) -> None:
    run = describe.static_method(scaling.scale, autobatch=True).to_dict()["servable"]["methods"]["run"]
    assert run["input"] == run["output"] == {"type": "list", "item_type": {"type": "float"}}
    assert run["method_details"]["autobatch"] is True


def test_a_named_function_is_not_imported(tmp_path: Path) -> None:
    (tmp_path / "secret.py").write_text("raise RuntimeError('imported')\n")
    model = describe.static_method(("secret", "f"), files=[tmp_path / "secret.py"])
    assert model.to_dict()["servable"]["methods"]["run"]["method_details"] == {
        "module": "secret",
        "method_name": "f",
    }


def test_a_function_of_a_package_brings_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "mypack" / "inner"
    package.mkdir(parents=True)
    (package.parent / "__init__.py").write_text("")
    (package / "__init__.py").write_text("")
    (package / "work.py").write_text("def f(x):\n    return x\n")
    monkeypatch.syspath_prepend(tmp_path)
    from mypack.inner.work import f  # type: ignore[import-not-found]

    files = describe.static_method(f).to_dict()["dlhub"]["files"]["other"]
    assert files == ["mypack/__init__.py", "mypack/inner/__init__.py", "mypack/inner/work.py"]


@pytest.mark.parametrize("function", [lambda x: x, len, Path.exists.__get__(Path())])
def test_what_cannot_be_found_again_is_refused(function: Any) -> None:
    with pytest.raises(Malformed, match="def"):
        describe.static_method(function)


def test_a_function_without_arguments_is_refused(tmp_path: Path) -> None:
    module = make_module(tmp_path, "nothing_in", "def f():\n    return 1\n")
    with pytest.raises(Malformed, match="no argument"):
        describe.static_method(module.f)


MAIN = """
import json, sys
from dlhub_client import describe
import math

def root(x: float) -> float:
    import math
    return math.sqrt(x)

def global_root(x: float) -> float:
    return math.sqrt(x)

folder = describe.static_method(root).write(sys.argv[1])
try:
    describe.static_method(global_root)
except Exception as error:
    print(error)
"""


def test_a_function_of_a_script_is_written_out_when_it_stands_alone(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(MAIN)
    command = [sys.executable, str(tmp_path / "script.py"), str(tmp_path / "out")]
    ended = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert "global_root" in ended.stdout
    assert "math" in ended.stdout
    document = json.loads((tmp_path / "out" / "dlhub.json").read_text())
    details = document["servable"]["methods"]["run"]["method_details"]
    assert details == {"module": "root_module", "method_name": "root"}
    code = "import sys; sys.path.insert(0, sys.argv[1]); import root_module; print(root_module.root(9.0))"
    ran = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "out")], capture_output=True, text=True, check=True
    )
    assert ran.stdout == "3.0\n"


def test_easy_descriptions_know_their_types_and_options(tmp_path: Path) -> None:
    with pytest.raises(Malformed, match="static_method, class_method, sklearn"):
        easy_description("T", "A, B", "n", "caffe", {})
    for kind in ("sklearn", "keras", "tensorflow", "pytorch", "onnx", "xgboost", "lightgbm"):
        with pytest.raises(Malformed, match="serv_options"):
            easy_description("T", "A, B", "n", kind, {"file": "x"})


def test_hints_that_cannot_be_read_ask_for_types(tmp_path: Path) -> None:
    text = "def f(x: 'Unknown') -> int:\n    return x\n"
    with pytest.raises(Malformed, match="inputs="):
        describe.static_method(make_module(tmp_path, "unknown_hint", text).f)


def test_a_function_whose_only_argument_has_a_default_takes_its_input_there(tmp_path: Path) -> None:
    module = make_module(tmp_path, "only_default", "def f(x: int = 1, *rest, **more) -> int:\n    return x\n")
    run = describe.static_method(module.f).to_dict()["servable"]["methods"]["run"]
    assert (run["input"], run["parameters"]) == ({"type": "integer"}, {})


# --- pickles and estimators ---


def test_a_method_of_a_pickled_object_is_described_without_running_the_pickle(tmp_path: Path) -> None:
    path = tmp_path / "thing.pkl"
    path.write_bytes(pickle.dumps(datetime.timedelta(1)))
    model = describe.class_method(path, "total_seconds", outputs=describe.argument("float"))
    document = model.to_dict()
    assert document["servable"]["type"] == "Python class method"
    details = document["servable"]["methods"]["run"]["method_details"]
    assert details == {"method_name": "total_seconds", "class_name": "datetime.timedelta"}
    assert document["dlhub"]["files"] == {"pickle": "thing.pkl"}


def test_what_is_no_pickle_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.pkl").write_bytes(b"\xff\xff")
    with pytest.raises(Malformed, match="not a pickle"):
        describe.class_method(tmp_path / "x.pkl", "f")


@pytest.fixture(scope="module")
def flowers() -> Any:
    return load_iris()


def test_a_classifier_gives_probabilities_of_its_classes(tmp_path: Path, flowers: Any) -> None:
    path = tmp_path / "iris.pkl"
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(flowers.data, flowers.target)
    path.write_bytes(pickle.dumps(model))
    document = describe.sklearn_model(path, classes=flowers.target_names).to_dict()
    run = document["servable"]["methods"]["run"]
    assert run["input"]["shape"] == [None, 4]
    assert run["output"]["shape"] == [None, 3]
    assert run["method_details"]["method_name"] == "predict_proba"
    assert document["servable"]["options"]["classes"] == ["setosa", "versicolor", "virginica"]
    assert document["servable"]["model_type"] == "LogisticRegression"
    assert set(document["dlhub"]["dependencies"]["python"]) == {"scikit-learn", "numpy"}
    Description.model_validate(document)


def test_a_classifier_without_probabilities_gives_its_labels(tmp_path: Path, flowers: Any) -> None:
    path = tmp_path / "svc.pkl"
    labels = flowers.target_names[flowers.target]
    path.write_bytes(pickle.dumps(LinearSVC().fit(flowers.data, labels)))
    run = describe.sklearn_model(path).to_dict()["servable"]["methods"]["run"]
    assert run["method_details"]["method_name"] == "predict"
    assert run["output"]["item_type"] == {"type": "string"}


def test_a_regressor_in_a_joblib_file_needs_joblib(tmp_path: Path) -> None:
    path = tmp_path / "forest.joblib"
    joblib.dump(RandomForestRegressor(2).fit([[0.0, 1.0]], [1.0]), path)
    document = describe.sklearn_model(path).to_dict()
    assert document["servable"]["options"] == {
        "serialization_method": "joblib",
        "is_classifier": False,
        "classes": None,
    }
    assert set(document["dlhub"]["dependencies"]["python"]) == {"joblib", "numpy", "scikit-learn"}
    assert document["servable"]["methods"]["run"]["method_details"]["method_name"] == "predict"


def test_classes_may_be_a_number(tmp_path: Path, flowers: Any) -> None:
    path = tmp_path / "iris.pkl"
    path.write_bytes(pickle.dumps(LogisticRegression(max_iter=1000).fit(flowers.data, flowers.target)))
    options = describe.sklearn_model(path, 4, 3).to_dict()["servable"]["options"]
    assert options["classes"] == ["Class 1", "Class 2", "Class 3"]


def test_a_file_of_the_other_kind_says_so(tmp_path: Path) -> None:
    (tmp_path / "m.pkl").write_bytes(b"not a pickle")
    with pytest.raises(Malformed, match="serialization_method"):
        describe.sklearn_model(tmp_path / "m.pkl")


@pytest.mark.parametrize(
    ("estimator", "method", "promised"),
    [
        (LogisticRegression(max_iter=1000), None, True),
        (StandardScaler(), "transform", True),
        (LinearSVC(), "densify", None),
        (DummyClassifier(strategy="uniform"), None, None),
    ],
)
def test_estimators_that_treat_rows_alike_are_vectorised_and_deterministic(
    tmp_path: Path, flowers: Any, estimator: Any, method: str | None, promised: bool | None
) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(estimator.fit(flowers.data, flowers.target)))
    document = describe.sklearn_model(path, predict_method=method).to_dict()
    run = document["servable"]["methods"]["run"]
    assert (run.get("vectorised"), run.get("deterministic")) == (promised, promised)


def test_what_a_builder_promises_can_be_taken_back(tmp_path: Path, flowers: Any) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(StandardScaler().fit(flowers.data)))
    model = describe.sklearn_model(path, predict_method="transform", deterministic=False, map_axis=0)
    run = model.to_dict()["servable"]["methods"]["run"]
    assert (run["vectorised"], run["deterministic"], run["map_axis"]) == (True, False, 0)


# --- metadata ---


def model(tmp_path: Path) -> describe.ModelDescription:
    (tmp_path / "app.py").write_text("def f(x):\n    return x\n")
    return describe.static_method(("app", "f"), files=[tmp_path / "app.py"], name="f", title="F")


def test_promises_are_made_for_a_method_at_a_time(tmp_path: Path) -> None:
    description = model(tmp_path).set_promises(vectorised=True).set_promises(deterministic=True)
    run = description.to_dict()["servable"]["methods"]["run"]
    assert (run["vectorised"], run["deterministic"], "map_axis" in run) == (True, True, False)


def test_builders_take_promises(tmp_path: Path) -> None:
    inputs = describe.argument("ndarray", shape=[None], item_type="float")
    made = describe.static_method(("m", "f"), inputs=inputs, vectorised=True, map_axis=0)
    run = made.to_dict()["servable"]["methods"]["run"]
    assert (run["vectorised"], run["map_axis"]) == (True, 0)
    with pytest.raises(Malformed, match="no axis 1"):
        made.set_promises(map_axis=1).to_dict()


def test_every_setter_leaves_its_trace(tmp_path: Path) -> None:
    description = (
        model(tmp_path)
        .set_creators(["Lovelace, Ada", "Babbage, Charles"], ["London", ["Cambridge", "London"]])
        .set_abstract("Doubles.")
        .set_domains(["maths"])
        .set_tags(["toy"])
        .set_version("1.2")
        .set_publication_year(1843)
        .set_doi("10.1/me")
        .set_visibility(["public"], runnable_by=["ada@local"])
        .add_requirements({"numpy": "detect", "scipy": ">=1", "pandas": None})
        .set_input_description("a number")
        .set_output_description("the same")
        .set_example(1.0)
    )
    document = description.to_dict()
    assert document["datacite"]["creators"][1]["familyName"] == "Babbage"
    assert document["datacite"]["publicationYear"] == "1843"
    assert document["dlhub"]["runnable_by"] == ["ada@local"]
    packages = document["dlhub"]["dependencies"]["python"]
    assert packages == {"numpy": np.__version__, "scipy": ">=1", "pandas": None}
    run = document["servable"]["methods"]["run"]
    assert run["example"] == {"inputs": 1.0}
    assert run["input"]["description"] == "a number"


def test_it_is_private_until_said_otherwise(tmp_path: Path) -> None:
    assert model(tmp_path).to_dict()["dlhub"]["visible_to"] == []
    assert model(tmp_path).set_visibility().to_dict()["dlhub"]["visible_to"] == ["public"]


def test_a_written_folder_is_complete(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "table.csv").write_text("1")
    description = model(tmp_path).add_directory(tmp_path / "data")
    folder = description.write(tmp_path / "out")
    assert (folder / "data" / "table.csv").read_text() == "1"
    assert json.loads((folder / "dlhub.json").read_text()) == description.to_dict()


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda m: m.set_creators("Ada Lovelace"), "Family, Given"),
        (lambda m: m.set_creators(["A, B", "C, D"], ["one"]), "one for each"),
        (lambda m: m.set_name("two words").to_dict(), "name"),
        (lambda m: m.set_title("").to_dict(), "title"),
        (lambda m: m.add_requirement("no-such-package"), "not installed"),
        (lambda m: m.add_file("nowhere.txt"), "no such file"),
        (lambda m: m.add_directory("nowhere"), "no such folder"),
        (lambda m: m.set_unpack_inputs(), "list or a tuple"),
        (lambda m: m.set_example(1, method="train"), "no method 'train'"),
    ],
)
def test_mistakes_say_what_is_wrong(tmp_path: Path, change: Any, complaint: str) -> None:
    with pytest.raises(Malformed, match=complaint):
        change(model(tmp_path))


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "app.py").write_text("")
    with pytest.raises(Malformed, match=r"app\.py"):
        model(tmp_path).add_file(tmp_path / "other" / "app.py")


def test_importing_it_loads_no_numpy() -> None:
    code = "import sys, dlhub_client.describe; print('sklearn' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert ran.stdout == "False\n"
