"""What runs inside a servable's own environment: loads the model once, answers batches of runs.

Read `main` first (what the process does), then `loop` (the two threads and their sockets), `invoke` (a batch
in, outcomes out), `loaders` (how a model is found) and `kinds` (how each type of model is read and called).
The package is copied into the environment as files, together with `TRAVELS` and with `run_worker.py` beside
the two packages:

    SHIMDIR/run_worker.py  SHIMDIR/dlhub_shim/**.py  SHIMDIR/proto_msgs/{...}.py

So it keeps to Python 3.8, the standard library, msgpack and pyzmq; NumPy and frameworks are imported only
when a model needs them.
"""

TRAVELS = ("__init__.py", "arrays.py", "codec.py", "views.py", "worker.py")
"""The files of `proto_msgs` that go along."""
