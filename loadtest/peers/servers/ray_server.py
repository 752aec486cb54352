"""Ray Serve with a no-op. Run by the Python of its own environment: `ray_server.py PORT`."""

import sys
import time

import ray
from ray import serve
from ray.serve.schema import LoggingConfig


@serve.deployment(num_replicas=1, max_ongoing_requests=256, ray_actor_options={"num_cpus": 0.1})
class NoOp:
    async def __call__(self, request):
        await request.json()
        return {"output": "Hello World"}


if __name__ == "__main__":
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    quiet = LoggingConfig(enable_access_log=False, log_level="WARNING")
    serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[1])}, logging_config=quiet)
    serve.run(NoOp.bind(), name="noop", route_prefix="/run", logging_config=quiet)
    while True:
        time.sleep(3600)
