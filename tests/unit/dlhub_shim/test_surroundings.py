"""Threads fit the replica, logs are quiet, and only those get an accelerator that asked for one."""

from __future__ import annotations

import os

import pytest

from dlhub_shim import surroundings


def describe(**resources):
    return {"servable": {"resources": resources}}


@pytest.fixture(autouse=True)
def bare(monkeypatch):
    """An environment of a process that has just begun, on a machine of four cores."""
    monkeypatch.setattr(os, "environ", {"PATH": "/bin"})
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(4)))


@pytest.mark.parametrize(
    ("cores", "threads"), [(1.0, 1), (2.0, 2), (2.7, 2), (0.25, 1), (64.0, 4), (None, 1)]
)
def test_threads_fit_the_cores_that_were_asked_for(cores, threads):
    assert surroundings.threads(describe(cores=cores) if cores else {}) == threads


def test_every_library_is_told():
    surroundings.prepare(describe(cores=2))
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"):
        assert os.environ[name] == "2"
    assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == "2"


def test_what_is_set_stays():
    os.environ["OMP_NUM_THREADS"] = "3"
    surroundings.prepare(describe(cores=2))
    assert os.environ["OMP_NUM_THREADS"] == "3"


def test_accelerators_are_hidden_from_those_that_asked_for_none():
    surroundings.prepare(describe())
    assert not surroundings.may_use_gpu()


def test_accelerators_that_were_asked_for_are_seen():
    surroundings.prepare(describe(accelerators=1))
    assert surroundings.may_use_gpu()


def test_those_that_were_given_are_seen():
    os.environ["CUDA_VISIBLE_DEVICES"] = "1"
    surroundings.prepare(describe())
    assert (os.environ["CUDA_VISIBLE_DEVICES"], surroundings.may_use_gpu()) == ("1", True)


@pytest.mark.parametrize(
    ("there", "chosen"),
    [({"torch"}, "torch"), ({"torch", "tensorflow"}, "tensorflow"), (set(), None)],
)
def test_keras_uses_the_framework_that_is_there(there, chosen, monkeypatch):
    monkeypatch.setattr(surroundings, "find_spec", lambda name: name if name in there else None)
    surroundings.choose_keras_backend()
    assert os.environ.get("KERAS_BACKEND") == chosen
