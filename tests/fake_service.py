"""Stands in for any of the hub's services: the supervisor is real, what it supervises does next to nothing.

Writes its environment to `<name>.env.json` in its working folder. The gateway answers the readiness route:
200, or what the file `not_ready` says while there is one. A file `<name>.exit` holds the status to end with.
"""

from __future__ import annotations

import http.server
import json
import os
import signal
import sys
from pathlib import Path


class Ready(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        reason = Path("not_ready")
        body = reason.read_bytes() if reason.exists() else b"{}"
        self.send_response(503 if reason.exists() else 200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: it is asked many times."""


def main(name: str) -> None:
    staging = Path(f"{name}.env.json.new")
    staging.write_text(json.dumps(dict(os.environ)))
    staging.rename(f"{name}.env.json")  # whole, or not there
    if Path(f"{name}.exit").exists():
        sys.stderr.write(f"{name}: told to fail\n")
        sys.exit(int(Path(f"{name}.exit").read_text()))
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    if name == "gateway":
        address = (os.environ["DLHUB_GATEWAY_HOST"], int(os.environ["DLHUB_GATEWAY_PORT"]))
        http.server.HTTPServer(address, Ready).serve_forever()
    signal.pause()


if __name__ == "__main__":
    main(sys.argv[1])
