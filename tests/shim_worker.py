"""A task manager reduced to its socket, for tests of the worker process."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from pathlib import Path

import zmq

import dlhub_shim
import proto_msgs
from proto_msgs import codec, worker

ANSWER_S = 30.0


def copy_shim(target: Path) -> Path:
    """Lay the worker's files out as they are in an environment; the folder with run_worker.py."""
    shim, messages = Path(dlhub_shim.__file__).parent, Path(proto_msgs.__file__).parent
    shutil.copytree(shim, target / "dlhub_shim", ignore=shutil.ignore_patterns("__pycache__"))
    (target / "proto_msgs").mkdir()
    for name in dlhub_shim.TRAVELS:
        shutil.copy(messages / name, target / "proto_msgs")
    shutil.copy(shim / "run_worker.py", target)
    return target


def write_servable(folder: Path, source: str, methods: dict) -> Path:
    """A folder with `model.py` and a dlhub.json; methods are functions of the module unless they say more."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.py").write_text(source)
    described = {}
    for name, method in methods.items():
        details = {"module": "model", "method_name": name} | method.get("method_details", {})
        described[name] = {"input": {"type": "python object"}} | method | {"method_details": details}
    description = {"servable": {"type": "Python static method", "methods": described}}
    (folder / "dlhub.json").write_text(json.dumps(description))
    return folder


class Manager:
    """Binds the socket, starts one worker, speaks the protocol with it; a context manager."""

    def __init__(self, python: str, shim: Path, servable: Path, folder: Path, beat_s: float = 0.2) -> None:
        self.folder = folder
        self._kept: list = []
        self._context = zmq.Context()
        self._router = self._context.socket(zmq.ROUTER)
        port = self._router.bind_to_random_port("tcp://127.0.0.1")
        command = [python, "-I", str(shim / "run_worker.py"), "--replica", "r", "--beat-s", str(beat_s)]
        command += ["--endpoint", f"tcp://127.0.0.1:{port}", "--folder", str(folder)]
        command += ["--servable", str(servable), "--description", str(servable / "dlhub.json")]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def __enter__(self) -> Manager:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.process.kill()
        self.process.communicate()
        self._context.destroy(linger=0)

    def expect(self, kind: str) -> list:
        """The next frame of that kind, of either socket; others are kept for later; beats are answered."""
        deadline = time.monotonic() + ANSWER_S
        while True:
            kept = next((frame for frame in self._kept if frame[0] == kind), None)
            if kept is not None:
                self._kept.remove(kept)
                return kept
            left_s = deadline - time.monotonic()
            if left_s <= 0 or not self._router.poll(left_s * 1000):
                raise AssertionError(
                    f"no {kind!r} within {ANSWER_S} s; the log says {self.logged('stderr')!r}"
                )
            identity, message = self._router.recv_multipart()
            frame = worker.read(message)
            if frame[0] == worker.BEAT:
                self._router.send_multipart([identity, worker.BEAT_FRAME])
            self._kept.append(frame)

    def forget(self) -> None:
        """Drop what came so far."""
        self._kept.clear()

    def send(self, message: bytes) -> None:
        self._router.send_multipart([b"r", message])

    def control(self, message: bytes) -> None:
        self._router.send_multipart([b"r/c", message])

    def start(self, method: str, *inputs: object, parameters=None, deadline=None) -> None:
        """Send a batch with one run per input, named r0, r1, ..."""
        runs = [
            (f"r{index}", codec.pack({"inputs": value, "parameters": parameters or {}}), deadline)
            for index, value in enumerate(inputs)
        ]
        self.send(worker.batch("b", method, runs))

    def outcomes(self) -> dict:
        """Outcomes by run id until the batch's last: (ok, output or failure, run_s, stdout, stderr)."""
        found, last = {}, False
        while not last:
            _, _, outcomes, last = self.expect(worker.DONE)
            found |= {run_id: (ok, codec.unpack(body), *rest) for run_id, ok, body, *rest in outcomes}
        return found

    def run(self, method: str, value: object, **options: object) -> tuple:
        """The outcome of one run."""
        self.start(method, value, **options)
        return self.outcomes()["r0"]

    def logged(self, stream: str) -> str:
        path = self.folder / f"{stream}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def exit_status(self) -> int:
        return self.process.wait(ANSWER_S)
