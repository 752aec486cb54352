"""The task manager: what a site runs to serve published models.

It learns from the catalog what to serve, pulls runs from the versions' queues, and hands them to
replicas: workers that Parsl's providers start, each with one version loaded in its own environment.
"""
