"""The command of a replica, beside the packages dlhub_shim and proto_msgs (see dlhub_shim/__init__.py)."""

import sys
from pathlib import Path

if __name__ == "__main__":
    # Python is started with -I, so nothing but the environment itself is on the path.
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    from dlhub_shim.main import main

    sys.exit(main(sys.argv[1:]))
