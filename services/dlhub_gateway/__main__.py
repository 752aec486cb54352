"""Start the gateway: `python -m dlhub_gateway`."""

from dlhub_gateway.service import serve
from dlhub_gateway.settings import GatewaySettings
from dlhub_runtime.process import run

if __name__ == "__main__":
    run("gateway", serve, GatewaySettings)
