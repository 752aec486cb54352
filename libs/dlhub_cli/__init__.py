"""The command `dlhub`: one module per noun, each a thin face over `dlhub_client` or `dlhub_embedded`.

Modules import what is heavy inside their functions, so that `dlhub --help` is quick.
"""
