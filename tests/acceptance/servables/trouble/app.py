"""A servable that does everything a model should not do."""

import ctypes
import os
import subprocess
import sys
import threading
import time


def noop(x):
    return "Hello World"


def echo(x):
    return x


def pid(x):
    return os.getpid()


def raises(x):
    raise ValueError(f"cannot do {x!r}")


def prints(count):
    line = "x" * 99 + "\n"
    for _ in range(count // 100):
        sys.stdout.write(line)
    print("the end")
    subprocess.run(["echo", "from a child"], check=True)
    return count


def unencodable(x):
    return {"fine": 1, "bad": [threading.Lock()]}


def exits(x):
    sys.exit(f"leaving because of {x}")


def hangs(x):
    while True:
        time.sleep(0.05)


def hangs_hard(x):
    while True:
        try:
            time.sleep(3600)
        except BaseException:
            continue


def holds_the_lock(seconds):
    """Keep Python's lock: no other thread of this process runs meanwhile."""
    ctypes.PyDLL(None).usleep(ctypes.c_uint(int(seconds * 1e6)))
    return "back"


def dies(x):
    os._exit(7)


def dies_if(path):
    """Note the visit, then die when the name says so."""
    with open(path.split("|")[0], "a") as file:
        file.write(path.split("|")[1] + "\n")
    if path.endswith("killer"):
        os._exit(7)
    return path.split("|")[1]


def environment(x):
    parent = open(f"/proc/{os.getppid()}/environ").read()
    return {"mine": dict(os.environ), "parents": parent}


def sleeps(seconds):
    time.sleep(seconds)
    return seconds


def notes(argument):
    """Append a line to a file, then sleep: so a test can count how often it really ran."""
    path, text, seconds = argument
    with open(path, "a") as file:
        file.write(text + "\n")
    time.sleep(seconds)
    return text
