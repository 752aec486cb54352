"""Keras: formats, custom objects, nested inputs, one graph for TensorFlow, no gradients for PyTorch."""

from __future__ import annotations

import contextlib
import zipfile
from types import SimpleNamespace

import pytest
from unit.dlhub_shim.kinds.fakes import BOTH, DIFFERENCE, ROWS, Tensor, install, load_run

from dlhub_shim import surroundings
from dlhub_shim.complaints import LoadError


def symbolic(name):
    return SimpleNamespace(name=name, dtype="float32", shape=(None, 2))


class Model:
    """A functional model of two inputs, z before x."""

    output_names = ("total", "difference")

    def __init__(self):
        self.calls = []
        self.inputs = [symbolic("z"), symbolic("x")]
        self.input = self.inputs

    def __call__(self, values, training, factor=1):
        self.calls.append((training, factor))
        z, x = (values["z"], values["x"]) if isinstance(values, dict) else values
        return [(z + x) * factor, (z - x) * factor]

    def load_weights(self, path):
        self.weights = path

    def summarise(self, inputs):
        return "summary"


class NamedInputs(Model):
    def __init__(self):
        super().__init__()
        self.input = {"x": symbolic("x"), "z": symbolic("z")}


class OwnCode(Model):
    """A subclassed model, whose code alone knows its inputs."""

    @property
    def input(self):
        raise AttributeError("has no defined inputs")

    @input.setter
    def input(self, value):
        pass


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name in ("model.h5", "weights.h5", "cut.keras"):
        (tmp_path / name).write_bytes(b"1234")
    with zipfile.ZipFile(tmp_path / "model.keras", "w") as archive:
        archive.writestr("config.json", "{}")
    (tmp_path / "model.json").write_text("{}")
    (tmp_path / "own_layers.py").write_text("class Twice: pass")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(surroundings, "find_spec", lambda name: None)
    return tmp_path


@pytest.fixture
def keras(folder, monkeypatch):
    made = SimpleNamespace(model=Model(), loaded=[], traced=[], error=None)

    def load_model(path, **options):
        made.loaded.append((path, options))
        if made.error:
            raise made.error
        return made.model

    def function(traced, input_signature, reduce_retracing):
        made.traced.append(input_signature)
        return traced

    install(
        monkeypatch,
        "keras",
        saving=SimpleNamespace(load_model=load_model),
        models=SimpleNamespace(model_from_json=lambda text, custom_objects: made.model),
        backend=SimpleNamespace(backend=lambda: made.backend),
        ops=SimpleNamespace(convert_to_tensor=Tensor, convert_to_numpy=lambda tensor: tensor.array),
    )
    install(
        monkeypatch,
        "tensorflow",
        function=function,
        TensorSpec=lambda shape, dtype: (shape, dtype),
        nest=SimpleNamespace(map_structure=lambda f, one: [f(item) for item in one]),
        get_logger=lambda: SimpleNamespace(setLevel=lambda level: None),
    )
    made.backend = "jax"
    return made


INPUTS = {"x": [[1.0, 2.0]], "z": [[5.0, 5.0]]}


def load_model(folder, model="model.keras", taken=BOTH, given=DIFFERENCE, **more):
    return load_run(folder, "Keras Model", model, taken, given, **more)


@pytest.mark.parametrize(
    ("model", "files"), [("model.keras", {}), ("model.h5", {}), ("weights.h5", {"arch": "model.json"})]
)
def test_inputs_and_outputs_go_by_name(model, files, keras, folder):
    gave = load_model(folder, model, files=files)(INPUTS, {})
    assert gave["difference"].tolist() == [[4.0, 3.0]]
    assert gave["total"].tolist() == [[6.0, 7.0]]


def test_weights_go_into_the_architecture(keras, folder):
    load_model(folder, "weights.h5", files={"arch": "model.json"})
    assert keras.model.weights == str(folder / "weights.h5")


@pytest.mark.parametrize("kind", [NamedInputs, OwnCode])
def test_models_that_take_a_dict_get_one(kind, keras, folder):
    keras.model = kind()
    assert load_model(folder)(INPUTS, {})["difference"].tolist() == [[4.0, 3.0]]


def test_models_of_own_code_get_a_list_in_the_order_that_the_description_tells(keras, folder):
    keras.model = OwnCode()
    run = load_model(folder, method_details={"inputs": ["z", "x"]})
    assert run(INPUTS, {})["difference"].tolist() == [[4.0, 3.0]]
    pair = {"type": "tuple", "element_types": [ROWS, ROWS]}
    assert load_model(folder, taken=pair)(([[5.0, 5.0]], [[1.0, 2.0]]), {})["total"].tolist() == [[6.0, 7.0]]


def test_models_of_own_code_with_one_input(keras, folder, monkeypatch):
    keras.model = OwnCode()
    monkeypatch.setattr(OwnCode, "__call__", lambda self, values, training: {"only": values})
    assert load_model(folder, taken=ROWS, given=ROWS)([[1.0, 2.0]], {}).tolist() == [[1.0, 2.0]]


def test_tensorflow_gets_one_graph_for_any_number_of_rows(keras, folder):
    keras.backend = "tensorflow"
    run = load_model(folder)
    assert keras.traced == [[[((None, 2), "float32"), ((None, 2), "float32")]]]
    assert run(INPUTS, {})["total"].tolist() == [[6.0, 7.0]]
    # Each value of a parameter would be a graph of its own, so it is called as it is.
    assert run(INPUTS, {"factor": 2, "training": True})["total"].tolist() == [[12.0, 14.0]]
    assert keras.model.calls == [(False, 1), (True, 2)]


def test_pytorch_gets_no_gradients(keras, folder, monkeypatch):
    entered = []

    @contextlib.contextmanager
    def inference_mode():
        entered.append(True)
        yield

    install(monkeypatch, "torch", inference_mode=inference_mode)
    keras.backend = "torch"
    assert load_model(folder)(INPUTS, {})["total"].tolist() == [[6.0, 7.0]]
    assert entered == [True]


def test_another_method_of_the_model(keras, folder):
    run = load_model(folder, given={"type": "string"}, method_details={"method_name": "summarise"})
    assert run(INPUTS, {}) == "summary"


def test_custom_objects_are_found_by_name(keras, folder):
    load_model(folder, options={"custom_objects": {"Twice": "own_layers.Twice"}})
    assert keras.loaded[0][1]["custom_objects"]["Twice"].__name__ == "Twice"


@pytest.mark.parametrize(
    "said",
    [
        "Could not locate class 'Twice'. Make sure custom classes are decorated",
        "Unknown layer: 'Twice'. Please ensure you are using a `keras.utils.custom_object_scope`",
    ],
)
def test_a_layer_that_keras_does_not_know(said, keras, folder):
    keras.error = TypeError(said)
    with pytest.raises(LoadError) as caught:
        load_model(folder)
    assert str(caught.value) == (
        "model.keras uses 'Twice', which Keras does not have: name it in servable.options.custom_objects, as "
        '{"Twice": "module.Class"}, and publish that module with the model'
    )


def test_files_that_are_not_whole(keras, folder):
    with pytest.raises(LoadError, match=r"cut\.keras, which has 4 bytes, is no Keras model"):
        load_model(folder, "cut.keras")
    keras.error = OSError("truncated file")
    with pytest.raises(LoadError, match=r"model\.h5, which has 4 bytes, raised OSError: truncated file"):
        load_model(folder, "model.h5")
