"""The executor `sagemaker`: endpoints of Amazon SageMaker.

`service` is the whole of it: `resources` makes and removes a model, its endpoint configuration and its
endpoint, `bodies` are what is sent to the endpoint and what comes back, `aws` is the connection to AWS.

Credentials are found as all of AWS' tools find them (environment, shared files, the machine's role), never in
our settings. The container that serves the version answers `POST /invocations`:

    Content-Type, Accept             application/x-msgpack or application/json, as the site file says
    X-Amzn-SageMaker-Custom-Attributes   dlhub-method=NAME
    body                             {"inputs": ..., "parameters": {...}}: proto_msgs.codec, or the hub's JSON
    answer, 200                      the output, encoded alike
    answer, other                    the model's error, as text
"""
