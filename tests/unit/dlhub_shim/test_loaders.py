"""Finding a model by its description; what is missing is said in words its author understands."""

from __future__ import annotations

import pickle
import sys
import types

import joblib
import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression

from dlhub_shim.complaints import LoadError
from dlhub_shim.loaders import load_methods
from dlhub_shim.vectorised import Vectorised

SOURCE = """
import math

LIMIT = 3

def double(x, by=2):
    return x * by

def add(a, b):
    return a + b

class Scaler:
    def __init__(self, factor):
        self.factor = factor
    def scale(self, x):
        return x * self.factor
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "scales.py").write_text(SOURCE)
    yield tmp_path
    for name in [name for name, module in sys.modules.items() if _lies_in(module, tmp_path)]:
        del sys.modules[name]


def _lies_in(module, folder):
    return str(getattr(module, "__file__", None) or "").startswith(str(folder))


def describe(kind, methods, files=None, options=None):
    return {
        "dlhub": {"files": files or {}},
        "servable": {"type": kind, "methods": methods, "options": options or {}},
    }


def static(details, **method):
    return describe("Python static method", {"run": {"method_details": details, **method}})


def load_run(folder, description):
    return load_methods(folder, description)["run"]


def complaint(folder, description):
    with pytest.raises(LoadError) as caught:
        load_methods(folder, description)
    return str(caught.value)


class TestStatic:
    def test_a_function_is_called_with_inputs_and_parameters(self, folder):
        run = load_run(folder, static({"module": "scales", "method_name": "double"}))
        assert run(4, {}) == 8
        assert run(4, {"by": 3}) == 12

    def test_default_parameters_give_way_to_those_of_the_caller(self, folder):
        run = load_run(folder, static({"module": "scales", "method_name": "double"}, parameters={"by": 5}))
        assert run(4, {}) == 20
        assert run(4, {"by": 3}) == 12

    def test_unpacked_inputs_become_arguments(self, folder):
        run = load_run(folder, static({"module": "scales", "method_name": "add", "unpack": True}))
        assert run([1, 2], {}) == 3

    def test_autobatch_calls_once_for_each_item(self, folder):
        details = {"module": "scales", "method_name": "add", "unpack": True, "autobatch": True}
        assert load_run(folder, static(details))([[1, 2], [3, 4]], {}) == [3, 7]

    def test_a_method_is_called_like_its_name_unless_said_otherwise(self, folder):
        methods = {
            "run": {"method_details": {"module": "scales", "method_name": "add"}},
            "double": {"method_details": {"module": "scales"}},
        }
        assert load_methods(folder, describe("Python static method", methods))["double"](2, {}) == 4

    def test_declared_arrays_arrive_as_arrays(self, folder):
        declared = {"type": "ndarray", "shape": [None], "item_type": "float"}
        run = load_run(folder, static({"module": "scales", "method_name": "double"}, input=declared))
        assert run([1, 2], {}).tolist() == [2.0, 4.0]


class TestStaticComplaints:
    def test_no_module_named(self, folder):
        assert "servable.methods.run.method_details.module is missing" in complaint(folder, static({}))

    def test_a_module_that_is_not_there(self, folder):
        text = complaint(folder, static({"module": "scale", "method_name": "double"}))
        assert "method_details.module is 'scale', but there is no such module" in text
        assert "Python files there: scales.py" in text

    def test_a_dependency_that_is_not_there(self, folder):
        (folder / "app.py").write_text("import no_such_package.inner")
        text = complaint(folder, static({"module": "app", "method_name": "f"}))
        assert "module 'app' needs the module 'no_such_package'" in text
        assert "dlhub.dependencies.python" in text

    @pytest.mark.parametrize("line", ["1 / 0", "raise SystemExit(2)", "def broken("])
    def test_a_module_that_raises(self, folder, line):
        (folder / "app.py").write_text(line)
        assert "importing the module 'app' raised" in complaint(folder, static({"module": "app"}))

    def test_a_function_that_is_not_there(self, folder):
        text = complaint(folder, static({"module": "scales", "method_name": "triple"}))
        assert "method_name is 'triple', but module 'scales' has none. It has add, double" in text

    def test_something_that_cannot_be_called(self, folder):
        text = complaint(folder, static({"module": "scales", "method_name": "LIMIT"}))
        assert "is 'LIMIT', but that is a int, which cannot be called" in text

    def test_a_long_list_is_cut(self, folder):
        (folder / "many.py").write_text("\n".join(f"def f{i:02}(): return 1" for i in range(20)))
        assert "f10, f11 and 8 more" in complaint(folder, static({"module": "many", "method_name": "g"}))

    def test_a_servable_of_another_type(self, folder):
        text = complaint(folder, describe("Pipeline", {"run": {}}))
        assert "servable.type is 'Pipeline'; this worker knows 'Python static method'" in text


@pytest.fixture
def scaler(folder):
    import importlib

    instance = importlib.import_module("scales").Scaler(3)
    (folder / "scaler.pkl").write_bytes(pickle.dumps(instance))
    return folder


def class_method(name="scale", files=None):
    files = {"pickle": "scaler.pkl"} if files is None else files
    return describe("Python class method", {"run": {"method_details": {"method_name": name}}}, files)


class TestClassMethod:
    def test_a_method_of_the_pickled_object_is_called(self, scaler):
        assert load_run(scaler, class_method())(4, {}) == 12

    def test_no_file_named(self, scaler):
        assert "dlhub.files.pickle is missing" in complaint(scaler, class_method(files={}))

    def test_a_file_that_is_not_there(self, scaler):
        text = complaint(scaler, class_method(files={"pickle": "model.pkl"}))
        assert "dlhub.files.pickle is 'model.pkl', but there is no such file" in text
        assert "scaler.pkl, scales.py" in text

    def test_a_method_that_is_not_there(self, scaler):
        text = complaint(scaler, class_method("stretch"))
        assert "'stretch', but the object in scaler.pkl, of class 'Scaler', has none. It has scale" in text

    def test_a_module_that_the_pickle_needs(self, folder):
        (folder / "scaler.pkl").write_bytes(b"cno_such_module\nThing\n.")
        assert "scaler.pkl needs the module 'no_such_module'" in complaint(folder, class_method())

    def test_a_class_from_a_notebook(self, folder):
        (folder / "scaler.pkl").write_bytes(b"c__main__\nThing\n.")
        text = complaint(folder, class_method())
        assert "refers to code that is not there" in text
        assert "define it in a module of its own" in text

    def test_a_file_that_is_no_pickle(self, folder):
        (folder / "scaler.pkl").write_bytes(b"hello")
        assert "reading scaler.pkl, which has 5 bytes, raised UnpicklingError" in complaint(
            folder, class_method()
        )


INPUT = {"type": "ndarray", "shape": [None, 1], "item_type": {"type": "float"}}


def sklearn(method=None, how="pickle"):
    details = {"method_details": {"method_name": method}} if method else {}
    methods = {"run": {"input": INPUT, **details}, "predict": {"input": INPUT}}
    return describe("Scikit-learn estimator", methods, {"model": "model"}, {"serialization_method": how})


class TestSklearn:
    @pytest.mark.parametrize(
        ("how", "dump"), [("pickle", lambda m, f: f.write_bytes(pickle.dumps(m))), ("joblib", joblib.dump)]
    )
    def test_run_predicts(self, tmp_path, how, dump):
        model = LinearRegression().fit([[0.0], [1.0]], [1.0, 3.0])
        dump(model, tmp_path / "model")
        methods = load_methods(tmp_path, sklearn(how=how))
        np.testing.assert_array_equal(methods["run"]([[2]], {}), model.predict(np.array([[2.0]])))
        np.testing.assert_array_equal(methods["predict"](np.array([[3.0]]), {}), model.predict([[3.0]]))

    def test_another_method_can_be_named(self, tmp_path):
        model = LogisticRegression().fit([[0.0], [1.0]], ["a", "b"])
        joblib.dump(model, tmp_path / "model")
        probabilities = load_run(tmp_path, sklearn("predict_proba", "joblib"))([[0.5]], {})
        np.testing.assert_array_equal(probabilities, model.predict_proba([[0.5]]))

    def test_a_method_that_the_estimator_lacks(self, tmp_path):
        joblib.dump(LinearRegression(), tmp_path / "model")
        text = complaint(tmp_path, sklearn("predict_proba", "joblib"))
        assert "the estimator in model, a LinearRegression, has none" in text

    def test_an_unknown_serialization(self, tmp_path):
        joblib.dump(LinearRegression(), tmp_path / "model")
        assert "serialization_method is 'dill'" in complaint(tmp_path, sklearn(how="dill"))

    def test_joblib_that_is_not_there(self, tmp_path, monkeypatch):
        (tmp_path / "model").write_bytes(b"")
        monkeypatch.setitem(sys.modules, "joblib", None)
        assert "written by joblib, so the model needs the module 'joblib'" in complaint(
            tmp_path, sklearn(how="joblib")
        )


def test_a_vectorised_method_takes_many_inputs(folder):
    rows = {"type": "ndarray", "shape": [None], "item_type": {"type": "float"}}
    details = {"module": "scales", "method_name": "double"}
    run = load_run(folder, static(details, input=rows, parameters={"by": 3}, vectorised=True))
    assert isinstance(run, Vectorised)
    first, second = run.call([run.convert([1, 2]), run.convert([4])], {})
    assert (first.tolist(), second.tolist()) == ([3.0, 6.0], [12.0])
    assert run([1], {"by": 5}).tolist() == [5.0]


def test_a_property_that_raises_is_a_complaint(folder, monkeypatch):
    def broken(name):
        raise RuntimeError(name) if name == "f" else AttributeError(name)

    module = types.ModuleType("odd")
    module.__getattr__ = broken
    monkeypatch.setitem(sys.modules, "odd", module)
    assert "is 'f', but module 'odd' has none" in complaint(
        folder, static({"module": "odd", "method_name": "f"})
    )
