"""Start the catalog: `python -m dlhub_catalog`."""

from dlhub_catalog.service import serve
from dlhub_catalog.settings import Settings
from dlhub_runtime.process import run

if __name__ == "__main__":
    run("catalog", serve, Settings)
