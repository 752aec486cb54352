"""A model of every type through the real hub, compared with the same model called directly.

Run by `make test-models`, not by `make test`: each framework is installed once, by the hub's own builder.
"""
