"""A double of TensorFlow Serving's tensorflow_model_server, as far as its REST API and configuration go.

    python tensorflow_serving.py --rest_api_port=8501 --model_config_file=FILE \
        --model_config_file_poll_wait_seconds=1

A version's folder holds a SavedModel, which TensorFlow loads if it is there, or a `functions.py` with

    SIGNATURES = {"serving_default": (inputs, outputs, function)}

where inputs and outputs are {name: ("DT_FLOAT", [-1, 3])} (None for the shape: any) and the function takes
arrays by name and gives them by name. What clients can tell from the real one follows its specification
(api_rest.md, json_tensor.cc): strict types, {"b64": ...}, bare NaN and Infinity, an only output without its
name, errors as C escapes texts, END for what was unloaded. A configuration that names a folder which is not
there ends all reading of configurations, as it does in the real one. Nothing but NumPy is needed.
"""

from __future__ import annotations

import argparse
import json
import re
import runpy
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
from tfs_json import Refused, tensor, written

_PATH = re.compile(r"/v1/models/([^/:]+)(?:/versions/(\d+))?(/metadata|:predict)?")
_ENTRY = re.compile(r'name\s*:\s*"([^"]*)"\s*base_path\s*:\s*"([^"]*)"')


class Version:
    """One loaded version of a model, or one that is not any more."""

    def __init__(self, folder: Path) -> None:
        self.number = int(folder.name)
        self.state, self.error = "LOADING", ""
        self.signatures: dict[str, tuple[dict, dict, Any]] = {}
        threading.Thread(target=self._load, args=(folder,), daemon=True).start()

    def _load(self, folder: Path) -> None:
        try:
            load = saved_model if (folder / "saved_model.pb").exists() else functions
            self.signatures = load(folder)
            self.state = "AVAILABLE"
        except Exception as error:
            self.state, self.error = "END", f"Not found: {type(error).__name__}: {error}"

    @property
    def unloaded(self) -> bool:
        return self.state == "END" and not self.error

    def unload(self) -> None:
        self.state, self.signatures = "END", {}


def functions(folder: Path) -> dict[str, tuple[dict, dict, Any]]:
    return runpy.run_path(str(folder / "functions.py"))["SIGNATURES"]


def saved_model(folder: Path) -> dict[str, tuple[dict, dict, Any]]:
    """The signatures of a SavedModel, called by TensorFlow."""
    import tensorflow as tf

    model = tf.saved_model.load(str(folder))

    def info(spec: Any) -> tuple[str, list[int] | None]:
        shape = None if spec.shape.rank is None else [-1 if n is None else n for n in spec.shape.as_list()]
        return f"DT_{_ENUM.get(spec.dtype.name, spec.dtype.name.upper())}", shape

    def caller(signature: Any, specs: dict) -> Any:
        def call(**arrays: Any) -> dict:
            given = {name: tf.constant(array, specs[name].dtype) for name, array in arrays.items()}
            return {name: tensor.numpy() for name, tensor in signature(**given).items()}

        return call

    found = {}
    for key, signature in model.signatures.items():
        specs = signature.structured_input_signature[1]
        outputs = signature.structured_outputs
        found[key] = (
            {name: info(spec) for name, spec in specs.items()},
            {name: info(spec) for name, spec in outputs.items()},
            caller(signature, specs),
        )
    found["__keep__"] = ({}, {}, model)  # signatures alone do not keep the variables
    return found


_ENUM = {"float32": "FLOAT", "float64": "DOUBLE", "float16": "HALF"}


class Models:
    """What the configuration asks for."""

    def __init__(self, config: Path) -> None:
        self._config = config
        self.versions: dict[str, Version] = {}

    def follow(self, seconds: float) -> None:
        self.read()
        while True:
            time.sleep(seconds)
            self.read()

    def read(self) -> None:
        text = re.sub(r"#[^\n]*", "", self._config.read_text())
        if "model_config_list" not in text:
            return  # "Taking no action for empty config."
        wanted = dict(_ENTRY.findall(text))
        for name, version in self.versions.items():
            if name not in wanted and version.state != "END":
                version.unload()
        for name, base_path in wanted.items():
            if name not in self.versions or (self.versions[name].state, self.versions[name].error) == (
                "END",
                "",
            ):
                while not Path(base_path).is_dir():
                    sys.stderr.write(f"Could not find base path {base_path} for servable {name}\n")
                    time.sleep(1)  # and all that follows waits
                folders = [path for path in Path(base_path).iterdir() if path.name.isdigit()]
                self.versions[name] = Version(max(folders, key=lambda path: int(path.name)))

    def find(self, name: str, number: str | None) -> Version:
        version = self.versions.get(name)
        if version is None or (number and int(number) != version.number):
            what = f"version {number} of model {name}" if number else f"any versions of model {name}"
            raise Refused(404, f"Could not find {what}")
        return version

    def servable(self, name: str, number: str | None) -> Version:
        version = self.versions.get(name)
        if version is None or version.state != "AVAILABLE" or (number and int(number) != version.number):
            raise Refused(404, f"Servable not found for request: Specific({name}, {number})")
        return version


def predict(version: Version, body: bytes) -> str:
    try:
        request = json.loads(body)
    except ValueError as error:
        raise Refused(400, f"JSON Parse error: {error}") from error
    key = request.get("signature_name") or "serving_default"
    if key not in version.signatures:
        raise Refused(400, f'Serving signature name: "{key}" not found in signature def')
    inputs, outputs, function = version.signatures[key]
    given = request["inputs"]
    if not isinstance(given, dict) or list(given) == ["b64"]:
        if len(inputs) > 1:
            raise Refused(400, "inputs is a plain value/list, but expecting an object")
        given = dict.fromkeys(inputs, given)
    missing = [name for name in inputs if name not in given]
    if missing:
        raise Refused(400, f"Missing named input: {missing[0]} in 'inputs' object.")
    arrays = {name: tensor(given[name], dtype) for name, (dtype, _) in inputs.items()}
    try:
        found = function(**arrays)
    except Exception as error:
        status = 400 if isinstance(error, ValueError) or "InvalidArgument" in type(error).__name__ else 500
        raise Refused(status, str(error)) from error
    texts = {name: written(np.asarray(found[name]), name) for name in outputs}
    if len(texts) == 1:
        return '{\n    "outputs": ' + next(iter(texts.values())) + "\n}"
    return '{\n    "outputs": {' + ", ".join(f"{json.dumps(k)}: {text}" for k, text in texts.items()) + "}\n}"


def metadata(name: str, version: Version) -> dict:
    def side(infos: dict) -> dict:
        return {
            one: {
                "dtype": dtype,
                "tensor_shape": {
                    "dim": [{"size": str(size), "name": ""} for size in shape or []],
                    "unknown_rank": shape is None,
                },
                "name": f"{one}:0",
            }
            for one, (dtype, shape) in infos.items()
        }

    signatures = {
        key: {"inputs": side(ins), "outputs": side(outs), "method_name": "tensorflow/serving/predict"}
        for key, (ins, outs, _) in version.signatures.items()
        if key != "__keep__"
    }
    signatures["__saved_model_init_op"] = {"inputs": {}, "outputs": {}, "method_name": ""}
    return {
        "model_spec": {"name": name, "signature_name": "", "version": str(version.number)},
        "metadata": {
            "signature_def": {
                "@type": "type.googleapis.com/tensorflow.serving.SignatureDefMap",
                "signature_def": signatures,
            }
        },
    }


def status(version: Version) -> dict:
    code = "NOT_FOUND" if version.error else "OK"
    one = {
        "version": str(version.number),
        "state": version.state,
        "status": {"error_code": code, "error_message": version.error},
    }
    return {"model_version_status": [one]}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    models: Models

    def do_GET(self) -> None:
        self._answer(None)

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers.get("Content-Length", 0))))

    def _answer(self, body: bytes | None) -> None:
        try:
            code, text = 200, self._found(body)
        except Refused as error:
            words = (
                str(error).replace("\\", "\\\\").replace('"', '\\"').replace("'", "\\'").replace("\n", "\\n")
            )
            code, text = error.status, f'{{ "error": "{words}" }}'
        data = text.encode()
        try:
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
        except ConnectionError:
            self.close_connection = True  # the client did not wait for it

    def _found(self, body: bytes | None) -> str:
        path = _PATH.fullmatch(self.path)
        verb = path.group(3) if path else None
        if path is None or (verb == ":predict") != (body is not None):
            raise Refused(400, f"Malformed request: {self.command} {self.path}")
        name, number = path.group(1), path.group(2)
        if verb is None:
            return json.dumps(status(self.models.find(name, number)), indent=1)
        version = self.models.servable(name, number)
        return predict(version, body or b"") if verb == ":predict" else json.dumps(metadata(name, version))

    def log_message(self, *_: Any) -> None:
        pass


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rest_api_port", type=int, required=True)
    parser.add_argument("--model_config_file", type=Path, required=True)
    parser.add_argument("--model_config_file_poll_wait_seconds", type=float, default=0)
    options, _ = parser.parse_known_args()
    models = Models(options.model_config_file)
    handler = type("Bound", (Handler,), {"models": models})
    server = ThreadingHTTPServer(("127.0.0.1", options.rest_api_port), handler)
    server.daemon_threads = True
    following = threading.Thread(
        target=models.follow, args=(options.model_config_file_poll_wait_seconds,), daemon=True
    )
    following.start()
    server.serve_forever()


if __name__ == "__main__":
    main()
