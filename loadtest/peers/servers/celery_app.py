"""Celery with a no-op; the worker and the client run in its own environment."""

import os

from celery import Celery

app = Celery("celery_app", broker=os.environ["PEER_AMQP_URL"], backend="rpc://")
app.conf.task_acks_late = False
app.conf.worker_prefetch_multiplier = 128


@app.task
def no_op(inputs):
    return "Hello World"
