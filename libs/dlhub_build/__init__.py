"""From a published archive to an environment that runs.

The steps are extract, python, lock, wheels, environment, smoke test; `build.build` runs them in that order.
Everything made is content-addressed below one environments folder (`folders`), so what exists is never
made twice. Used by the builder service and by local builds: no broker and no database in sight.
This module imports nothing: `packing` serves clients that have neither uv nor the other libraries.
"""
