"""Pipelines: servables whose steps are other servables. No site runs one; the gateways do.

`planning` finds the steps that a caller may run, `running` takes an input through them, `tasks` does so for
those who do not wait, `publishing` checks a pipeline before it is published, and `desk` is what routes use.
"""
