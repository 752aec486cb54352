"""The original's blocks `servable` and `pipeline`: types, shims, files, options, details of methods."""

from __future__ import annotations

import posixpath
import typing
from typing import Any

from proto_msgs.original.changes import Changes, Object, block_of
from proto_msgs.servable_block import ServableType

_PATH = "/servable"
_SHIMS = {
    "python.PythonStaticMethodServable": "Python static method",
    "python.PythonClassMethodServable": "Python class method",
    "keras.KerasServable": "Keras Model",
    "tensorflow.TensorFlowServable": "TensorFlow Model",
    "torch.TorchServable": "Torch Model",
    "pytorch.TorchServable": "Torch Model",
    "sklearn.ScikitLearnServable": "Scikit-learn estimator",
}
"""The original's shims, by module and class; that of Torch had two names, of which one did not exist."""
_TYPES = {"pickled_class": "Python class method", "py_static_method": "Python static method"}
"""Names that the first versions gave to types."""
_SAVED_MODEL = "saved_model.pb"
_DEFAULT_SIGNATURE = "serving_default"


def convert_servable(document: Object, changes: Changes) -> None:
    """Fields of `servable`, and `pipeline` as one."""
    _pipeline(document, changes)
    block = block_of(document, "servable")
    _type(block, changes)
    changes.remove(block, "language", _PATH, "the type says it")
    _moved(document, block, changes)
    if block.get("options", 0) is None:
        changes.replace(block, "options", {}, _PATH, "there are none")
    for name, method in block_of(block, "methods").items():
        if isinstance(method, dict):
            _method(method, f"{_PATH}/methods/{name}", block, changes)
    fit = {"TensorFlow Model": _tensorflow, "Torch Model": _torch}.get(block.get("type", ""))
    if fit is not None:
        fit(document, block, changes)


def _pipeline(document: Object, changes: Changes) -> None:
    steps = block_of(document, "pipeline").get("steps")
    if not isinstance(steps, list) or "servable" in document:
        return
    del document["pipeline"]
    document["servable"] = {
        "type": "Pipeline",
        "steps": [_step(step, i, changes) for i, step in enumerate(steps)],
    }
    changes.note("/pipeline", "now /servable, of type 'Pipeline'", "a pipeline is a servable here")


def _step(step: Any, index: int, changes: Changes) -> Any:
    if not isinstance(step, dict) or "name" not in step:
        return step  # a step by the id that the original gave it: its author must name the servable
    step = dict(step)
    author = step.pop("author", None)
    name = step.pop("name")
    changes.note(
        f"/pipeline/steps/{index}", f"now the servable {author}/{name}", "steps are named in one text"
    )
    return {**step, "servable": f"{author}/{name}", "parameters": step.get("parameters") or {}}


def _type(block: Object, changes: Changes) -> None:
    shim = block.get("shim")
    wanted = _SHIMS.get(shim) if isinstance(shim, str) else None
    kind = block.get("type")
    known = typing.get_args(ServableType)
    if kind not in known and isinstance(kind, str | None):
        found = (
            wanted
            or _TYPES.get(kind or "")
            or next((one for one in known if one.lower() == (kind or "").lower()), None)
        )
        if found:
            changes.replace(block, "type", found, _PATH, "that is its name here")
    changes.remove(block, "shim", _PATH, "the type says what runs it")


def _moved(document: Object, block: Object, changes: Changes) -> None:
    """Files and dependencies, which early versions wrote into `servable`."""
    for key in ("files", "dependencies"):
        if isinstance(block.get(key), dict):
            value = block.pop(key)
            document.setdefault("dlhub", {}).setdefault(key, value)
            changes.note(f"{_PATH}/{key}", f"now /dlhub/{key}", "it belongs there")


def _method(method: Object, path: str, block: Object, changes: Changes) -> None:
    for key in ("parameters", "method_details"):
        if method.get(key, 0) is None:
            changes.replace(method, key, {}, path, "there are none")
    details = block_of(method, "method_details")
    if "classes" in details:
        block.setdefault("options", {}).setdefault("classes", details["classes"])
        changes.remove(
            details, "classes", f"{path}/method_details", "they are now in /servable/options/classes"
        )


def _tensorflow(document: Object, block: Object, changes: Changes) -> None:
    files = block_of(document, "dlhub", "files")
    listed = [str(one).replace("\\", "/") for one in files.get("other") or ()]
    model = next((one for one in listed if posixpath.basename(one) == _SAVED_MODEL), None)
    if model and "model" not in files:
        changes.replace(
            files, "model", posixpath.dirname(model) or ".", "/dlhub/files", "it names the SavedModel"
        )
    for name, method in block_of(block, "methods").items():
        if not isinstance(method, dict):
            continue
        path = f"{_PATH}/methods/{name}/method_details"
        details = method.setdefault("method_details", {})
        signature = _DEFAULT_SIGNATURE if name == "run" else name
        if "signature" not in details:
            changes.replace(details, "signature", signature, path, "it names the signature of the SavedModel")
        for key in ("input_nodes", "output_nodes"):
            changes.remove(details, key, path, "the signature names its inputs and outputs")


def _torch(_document: Object, block: Object, changes: Changes) -> None:
    options = block.setdefault("options", {})
    if "format" not in options:
        why = "the original pickled whole modules"
        changes.replace(options, "format", "pickle", f"{_PATH}/options", why)
