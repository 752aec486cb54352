"""`python -m dlhub_task_manager`."""

from dlhub_runtime.process import run
from dlhub_task_manager.service import serve
from dlhub_task_manager.settings import Settings

run("task_manager", serve, Settings)
