"""The executor `tensorflow-serving`: SavedModels on a TensorFlow Serving server, over its REST API.

`service` is the whole of it: `placing` puts the model's folder where the server reads, `model_config` names
it in the server's configuration, `client` speaks HTTP, `signatures` maps methods to signatures, `tensors`
values to JSON. `own_server` starts and stops a server where none runs already.
"""
