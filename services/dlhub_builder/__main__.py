"""`python -m dlhub_builder`."""

from dlhub_builder.service import serve
from dlhub_builder.settings import Settings
from dlhub_runtime.process import run

run("builder", serve, Settings)
