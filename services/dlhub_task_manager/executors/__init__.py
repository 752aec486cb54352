"""What starts the replicas of a version and carries batches to them.

`base` says what every executor promises, `servable` is ours and the default; `blocks` is what all of
them need of Parsl: the providers that start processes here or jobs on a cluster.
"""
