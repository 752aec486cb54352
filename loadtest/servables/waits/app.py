"""Waits as long as its method says, then says hello: a model whose cost is time, not computing."""

import time


def at_once(inputs: object) -> str:
    return "Hello World"


def for_10_ms(inputs: object) -> str:
    time.sleep(0.010)
    return "Hello World"


def for_20_ms(inputs: object) -> str:
    time.sleep(0.020)
    return "Hello World"


def for_100_ms(inputs: object) -> str:
    time.sleep(0.100)
    return "Hello World"
