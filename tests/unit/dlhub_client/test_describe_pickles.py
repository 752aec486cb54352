"""Pickles are read and never run: estimators and objects."""

from __future__ import annotations

import bz2
import collections
import datetime
import gzip
import lzma
import pickle
import sys
import zlib
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import sklearn
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor, VotingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge, SGDClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC
from unit.dlhub_client.pickle_stage import pickled

from dlhub_client import describe

FLOWERS = load_iris()
DATA = StandardScaler().fit_transform(FLOWERS.data)
NAMES = FLOWERS.target_names[FLOWERS.target]


def run_of(model: describe.ModelDescription) -> dict[str, Any]:
    run: dict[str, Any] = model.to_dict()["servable"]["methods"]["run"]
    return run


# --- estimators ---


@pytest.mark.parametrize("protocol", range(6))
def test_every_protocol_tells_the_same(tmp_path: Path, protocol: int) -> None:
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.5)).fit(DATA, NAMES)
    description = describe.sklearn_model(pickled(tmp_path, model, protocol))
    document = description.to_dict()
    assert document["servable"]["options"]["classes"] == ["setosa", "versicolor", "virginica"]
    assert document["servable"]["framework"] == {"name": "scikit-learn", "version": sklearn.__version__}
    assert run_of(description)["input"]["shape"] == [None, 4]
    assert "C=0.5" in document["servable"]["model_summary"]
    assert "standardscaler: StandardScaler(" in document["servable"]["model_summary"]
    assert description.suspicious == ()


@pytest.mark.parametrize("how", [0, ("zlib", 3), ("gzip", 3), ("bz2", 3), ("xz", 3), ("lzma", 3)])
def test_joblib_files_plain_and_packed(tmp_path: Path, how: Any) -> None:
    model = RandomForestClassifier(5, random_state=0).fit(DATA, NAMES)
    path = tmp_path / "model.bin"
    joblib.dump(model, path, compress=how)
    description = describe.sklearn_model(path)
    assert description.to_dict()["servable"]["options"]["serialization_method"] == "joblib"
    assert description.facts.classes == ("setosa", "versicolor", "virginica")


@pytest.mark.parametrize("pack", [zlib.compress, gzip.compress, bz2.compress, lzma.compress])
def test_packed_pickles_are_loaded_by_joblib(tmp_path: Path, pack: Any) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(pack(pickle.dumps(LinearRegression().fit(DATA, FLOWERS.target))))
    document = describe.sklearn_model(path).to_dict()
    assert document["servable"]["options"]["serialization_method"] == "joblib"
    assert "joblib" in document["dlhub"]["dependencies"]["python"]


@pytest.mark.parametrize("compress", [0, 3])
def test_labels_that_are_python_s_own_are_read_too(tmp_path: Path, compress: int) -> None:
    """joblib writes an array of objects as a pickle within the pickle, and bytes of others between."""
    path = tmp_path / "model.joblib"
    joblib.dump(LinearSVC().fit(DATA, NAMES.astype(object)), path, compress=compress)
    description = describe.sklearn_model(path)
    assert description.facts.classes == ("setosa", "versicolor", "virginica")
    assert run_of(description)["output"]["python_type"] == "numpy.ndarray"
    (tmp_path / "short.joblib").write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(describe.DescribeError, match=r"short\.joblib"):
        describe.sklearn_model(tmp_path / "short.joblib")


def test_a_forest_in_joblib_is_read_past_its_arrays(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).random((1200, 4))
    model = RandomForestClassifier(5, random_state=0).fit(rows, np.arange(1200) % 300)
    joblib.dump(model, tmp_path / "forest.joblib")
    facts = describe.sklearn_model(tmp_path / "forest.joblib").facts
    assert facts.classes == tuple(str(label) for label in range(300))


def voting(kind: str) -> VotingClassifier:
    return VotingClassifier([("a", LogisticRegression()), ("b", SVC())], voting=kind)


@pytest.mark.parametrize(
    ("model", "method"),
    [
        (LogisticRegression(), "predict_proba"),
        (LinearSVC(), "predict"),
        (SVC(), "predict"),
        (SGDClassifier(), "predict"),
        (SGDClassifier(loss="log_loss"), "predict_proba"),
        (OneVsRestClassifier(LinearSVC()), "predict"),
        (OneVsRestClassifier(LogisticRegression()), "predict_proba"),
        (voting("hard"), "predict"),
        (GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=2), "predict_proba"),
        (make_pipeline(StandardScaler(), LinearSVC()), "predict"),
        (LinearRegression(), "predict"),
        (StandardScaler(), "transform"),
        (make_pipeline(StandardScaler(), PCA(2)), "transform"),
    ],
)
def test_the_method_is_the_one_that_the_estimator_has(tmp_path: Path, model: Any, method: str) -> None:
    model.fit(DATA, FLOWERS.target)
    run = run_of(describe.sklearn_model(pickled(tmp_path, model)))
    assert run["method_details"]["method_name"] == method
    assert hasattr(model, method)
    assert hasattr(model, "predict_proba") == (method == "predict_proba")
    output = getattr(model, method)(DATA)
    declared = run["output"].get("shape")
    assert declared is None or [None, *output.shape[1:]] == declared


@pytest.mark.parametrize("targets", [1, 2])
@pytest.mark.parametrize("kind", [RandomForestRegressor, Ridge])
def test_regressors_tell_how_many_values_they_give(tmp_path: Path, kind: Any, targets: int) -> None:
    y = np.column_stack([FLOWERS.target] * targets) if targets > 1 else FLOWERS.target
    run = run_of(describe.sklearn_model(pickled(tmp_path, kind().fit(DATA, y))))
    assert run["output"]["shape"] == ([None] if targets == 1 else [None, 2])


def test_texts_are_a_list(tmp_path: Path) -> None:
    model = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(["a good", "a bad"], ["good", "bad"])
    run = run_of(describe.sklearn_model(pickled(tmp_path, model)))
    assert (run["input"]["type"], run["input"]["item_type"]) == ("list", {"type": "string"})


def test_columns_that_have_names_need_a_table(tmp_path: Path) -> None:
    model = ColumnTransformer([("a", StandardScaler(), ["height", "width"])])
    model.n_features_in_ = 2
    description = describe.sklearn_model(pickled(tmp_path, model))
    assert any("by their names" in note for note in description.missing)


def test_what_contradicts_the_estimator_is_refused(tmp_path: Path) -> None:
    path = pickled(tmp_path, LogisticRegression().fit(DATA, FLOWERS.target))
    with pytest.raises(describe.DescribeError, match=r"n_input_columns is 7.*model\.pkl takes 4"):
        describe.sklearn_model(path, 7)
    with pytest.raises(describe.DescribeError, match=r"2 classes.*knows 3: 0, 1, 2"):
        describe.sklearn_model(path, classes=["a", "b"])
    with pytest.raises(describe.DescribeError, match="as skops writes"):
        describe.sklearn_model(path, serialization_method="skops")


def test_an_estimator_that_was_not_fitted_asks_for_its_columns(tmp_path: Path) -> None:
    path = pickled(tmp_path, LinearRegression())
    with pytest.raises(describe.DescribeError, match="give n_input_columns"):
        describe.sklearn_model(path)
    assert run_of(describe.sklearn_model(path, 3))["input"]["shape"] == [None, 3]


def by_hand(module: str, name: str, state: dict[str, Any]) -> bytes:
    """A pickle of an instance of a class that is not there."""
    parts = [pickle.PROTO + b"\x02", pickle.GLOBAL + f"{module}\n{name}\n".encode()]
    parts += [pickle.EMPTY_TUPLE + pickle.NEWOBJ, pickle.dumps(state, 2)[2:-1], pickle.BUILD + pickle.STOP]
    return b"".join(parts)


def test_a_legacy_estimator_names_both_versions(tmp_path: Path) -> None:
    path = tmp_path / "old.pkl"
    state = {"n_features_in_": 3, "_sklearn_version": "0.19.1"}
    path.write_bytes(by_hand("sklearn.linear_model.logistic", "LogisticRegression", state))
    with pytest.raises(describe.DescribeError, match=rf"0\.19\.1; {sklearn.__version__} is installed here"):
        describe.sklearn_model(path)
    path.write_bytes(by_hand("sklearn.linear_model.logistic", "LogisticRegression", {"n_features_in_": 3}))
    with pytest.raises(describe.DescribeError, match=r"before 0\.18"):
        describe.sklearn_model(path)
    assert describe.sklearn_model(path, sklearn_version="1.0.2").facts.version == "1.0.2"


def test_another_version_is_pinned_and_told(tmp_path: Path) -> None:
    path = tmp_path / "older.pkl"
    state = {"n_features_in_": 3, "_sklearn_version": "1.2.0"}
    path.write_bytes(by_hand("sklearn.linear_model._base", "LinearRegression", state))
    description = describe.sklearn_model(path)
    packages = description.to_dict()["dlhub"]["dependencies"]["python"]
    assert packages["scikit-learn"] == "1.2.0"
    assert packages["numpy"] is None  # that of here may be too new for it
    assert any("1.2.0" in note and sklearn.__version__ in note for note in description.missing)


def test_a_library_that_is_missing_is_named(tmp_path: Path) -> None:
    path = tmp_path / "theirs.pkl"
    path.write_bytes(by_hand("no_such_library.models", "Boosted", {"n_features_in_": 3}))
    assert any("no_such_library" in note for note in describe.sklearn_model(path).missing)


# --- objects ---


CLASS = '''
"""A module that must not be imported."""
import numpy as np
raise RuntimeError("imported")

class Scaler:
    """Scales."""
    def scale(self, x: np.ndarray, by: float = 2.0, *, note: str = "n", raw=None) -> list[float]:
        """Times `by`."""
    def two(self, a: int, b: "str"): ...
    @staticmethod
    def fixed(a: tuple[int, ...]) -> dict[str, float]: ...
'''


def test_a_method_is_described_from_source_that_is_not_run(tmp_path: Path) -> None:
    (tmp_path / "scaling_code.py").write_text(CLASS)
    path = tmp_path / "scaler.pkl"
    path.write_bytes(by_hand("scaling_code", "Scaler", {}))
    model = describe.class_method(path, "scale", files=[tmp_path / "scaling_code.py"])
    document, run = model.to_dict(), run_of(model)
    assert run["input"] == {"type": "ndarray", "item_type": {"type": "float"}}
    assert run["output"] == {"type": "list", "item_type": {"type": "float"}}
    assert run["parameters"] == {"by": 2.0, "note": "n", "raw": None}
    assert run["parameter_types"] == {"by": {"type": "float"}, "note": {"type": "string"}}
    assert run["method_details"] == {"method_name": "scale", "class_name": "scaling_code.Scaler"}
    assert document["datacite"]["descriptions"][0]["description"] == "Times `by`."
    assert document["dlhub"]["files"] == {"pickle": "scaler.pkl", "other": ["scaling_code.py"]}
    assert "scaling_code" not in sys.modules


def test_several_arguments_of_a_method_are_a_tuple(tmp_path: Path) -> None:
    (tmp_path / "scaling_code.py").write_text(CLASS)
    path = tmp_path / "scaler.pkl"
    path.write_bytes(by_hand("scaling_code", "Scaler", {}))
    run = run_of(describe.class_method(path, "two", files=[tmp_path / "scaling_code.py"]))
    assert [one["name"] for one in run["input"]["element_types"]] == ["a", "b"]
    assert [one["type"] for one in run["input"]["element_types"]] == ["integer", "string"]
    assert run["method_details"]["unpack"] is True
    run = run_of(describe.class_method(path, "fixed", files=[tmp_path / "scaling_code.py"]))
    assert (run["input"]["type"], run["output"]["type"]) == ("list", "dict")


class Loaded:
    def double(self, x: float) -> float:
        """Twice."""
        return 2 * x


def test_a_class_that_is_loaded_tells_its_hints(tmp_path: Path) -> None:
    sys.modules["loaded_here"] = sys.modules[__name__]
    path = tmp_path / "loaded.pkl"
    path.write_bytes(by_hand("loaded_here", "Loaded", {}))
    try:
        run = run_of(describe.class_method(path, "double"))
    finally:
        del sys.modules["loaded_here"]
    assert (run["input"], run["output"]) == ({"type": "float"}, {"type": "float"})


def test_an_unknown_class_asks_for_types_and_modules(tmp_path: Path) -> None:
    path = tmp_path / "thing.pkl"
    path.write_bytes(by_hand("nowhere_known", "Thing", {}))
    description = describe.class_method(path, "go")
    assert run_of(description)["input"]["python_type"] == "builtins.object"
    assert any("inputs=..." in note for note in description.missing)
    assert any("nowhere_known" in note for note in description.missing)
    (tmp_path / "nowhere_known.py").write_text("")
    brought = describe.class_method(path, "go", files=[tmp_path / "nowhere_known.py"]).missing
    assert not any("it needs" in note for note in brought)
    path.write_bytes(by_hand("__main__", "Thing", {}))
    notes = describe.class_method(path, "go").missing
    assert any("script or notebook" in note for note in notes)


def test_packages_of_what_the_pickle_names_are_required(tmp_path: Path) -> None:
    path = pickled(tmp_path, collections.OrderedDict(a=np.zeros(3), b=datetime.timedelta(1)))
    packages = describe.class_method(path, "keys").to_dict()["dlhub"]["dependencies"]["python"]
    assert packages == {"numpy": np.__version__}
