"""A replica's two threads, in this process, over real sockets."""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import contextmanager

import pytest
import zmq

from dlhub_shim.interrupt import SIGNAL
from dlhub_shim.loop import Replica
from proto_msgs import codec, worker


class Silent:
    def begin(self):
        """Nothing is captured here: pytest needs its standard output."""

    def take(self):
        return ("", "")


@pytest.fixture(autouse=True)
def _signal_as_before():
    before = signal.getsignal(SIGNAL)
    yield
    signal.signal(SIGNAL, before)


@pytest.fixture
def router():
    with zmq.Context() as context, context.socket(zmq.ROUTER) as router:
        router.rcvtimeo = 20_000
        router.linger = 0
        yield router


@contextmanager
def talking(router, talk):
    """Run `talk(expect)` beside the replica, which needs the main thread."""
    port = router.bind_to_random_port("tcp://127.0.0.1")
    kept = []

    def expect(kind):
        while True:
            for frame in kept:
                if frame[0] == kind:
                    kept.remove(frame)
                    return frame
            identity, message = router.recv_multipart()
            kept.append(worker.read(message))
            if kept[-1] == [worker.BEAT]:
                router.send_multipart([identity, worker.BEAT_FRAME])

    failed = []

    def run():
        try:
            talk(expect)
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    yield Replica(f"tcp://127.0.0.1:{port}", "r", 0.05, Silent())
    thread.join(20)
    assert not failed


def batch(*inputs):
    payloads = [codec.pack({"inputs": value}) for value in inputs]
    return worker.batch("b", "run", [(f"r{i}", payload, None) for i, payload in enumerate(payloads)])


def echo():
    return {"run": lambda inputs, parameters: inputs}


def test_it_says_hello_loads_answers_and_stops(router):
    def talk(expect):
        assert expect("hello")[1]["pid"] == os.getpid()
        assert expect("ready")[1] >= 0
        router.send_multipart([b"r", batch(7)])
        assert codec.unpack(expect("done")[2][0][2]) == 7
        expect("beat")
        router.send_multipart([b"r/c", worker.STOP_FRAME])

    with talking(router, talk) as replica:
        assert replica.serve(echo) == worker.EXIT_STOPPED


def test_what_is_no_batch_is_dropped(router, capsys):
    def talk(expect):
        expect("ready")
        for message in (b"\xc1", worker.BEAT_FRAME, batch(1)):
            router.send_multipart([b"r", message])
        expect("done")
        router.send_multipart([b"r/c", worker.STOP_FRAME])

    with talking(router, talk) as replica:
        assert replica.serve(echo) == worker.EXIT_STOPPED
    assert "dropped a message" in capsys.readouterr().err


def test_outcomes_held_up_by_a_slow_run_leave_early(router):
    sent = threading.Event()

    def talk(expect):
        expect("ready")
        router.send_multipart([b"r", batch("quick", "slow")])
        assert [outcome[0] for outcome in expect("done")[2]] == ["r0"]
        sent.set()
        assert expect("done")[3]
        router.send_multipart([b"r/c", worker.STOP_FRAME])

    def run(inputs, parameters):
        return inputs == "quick" or sent.wait(20)

    with talking(router, talk) as replica:
        assert replica.serve(lambda: {"run": run}) == worker.EXIT_STOPPED


def test_a_model_that_cannot_be_loaded_is_told(router, capsys):
    def talk(expect):
        failure = expect("unloadable")[1]
        assert failure["code"] == worker.LOAD_FAILED
        assert "ZeroDivisionError" in failure["message"]

    with talking(router, talk) as replica:
        assert replica.serve(lambda: 1 / 0) == worker.EXIT_UNLOADABLE
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_a_load_that_calls_exit_is_told(router, capsys):
    with talking(router, lambda expect: expect("unloadable")) as replica:
        assert replica.serve(lambda: sys.exit(0)) == worker.EXIT_UNLOADABLE
    assert "SystemExit" in capsys.readouterr().err


def test_loading_can_be_stopped(router):
    def talk(expect):
        expect("hello")
        router.send_multipart([b"r/c", worker.STOP_FRAME])

    with talking(router, talk) as replica:
        assert replica.serve(lambda: threading.Event().wait(60)) == worker.EXIT_STOPPED
