"""LitServe with a no-op. Run by the Python of its own environment: `litserve_server.py PORT`."""

import sys

import litserve


class NoOp(litserve.LitAPI):
    def setup(self, device):
        self.answer = "Hello World"

    def decode_request(self, request):
        return request["inputs"]

    def predict(self, inputs):
        return self.answer

    def encode_response(self, output):
        return {"output": output}


if __name__ == "__main__":
    server = litserve.LitServer(NoOp(), accelerator="cpu", workers_per_device=1)
    server.run(
        host="127.0.0.1",
        port=int(sys.argv[1]),
        num_api_servers=1,
        log_level="warning",
        access_log=False,
        generate_client_file=False,
        loop="uvloop",
    )
