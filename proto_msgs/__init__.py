"""What the services of DLHub say to one another: messages, routing keys, errors and the codec.

Nothing else in the repository may define a message. `codec` and `worker` also travel into the
environments of published servables, so they (and this file) keep to Python 3.8 and msgpack.
"""
