"""Which deployment of a servable makes a site serve a version; pure.

A servable without deployments has the default one, at every site that accepts defaults. With
several that fit, one pinned to the version is preferred, then one that names the site.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from proto_msgs.sites import Deployment


@dataclass(frozen=True, slots=True)
class Asker:
    """The site that asks what it should serve."""

    site: str
    accepts_defaults: bool

    def may_serve(self, deployment: Deployment) -> bool:
        """It is meant by name, or as one of those that accept defaults."""
        return self.accepts_defaults if deployment.site is None else deployment.site == self.site


def applicable(
    deployments: Sequence[Deployment], number: int, newest_ready: int | None, asker: Asker
) -> Deployment | None:
    """The deployment by which `asker` serves version `number`; None when it must not."""
    fitting = [
        deployment
        for deployment in deployments or (Deployment(),)
        if asker.may_serve(deployment) and deployment.pinned in (None, number)
    ]
    if not fitting:
        return None
    best = max(fitting, key=lambda d: (d.pinned is not None, d.site is not None))
    if best.pinned is None and number != newest_ready:
        # Replicas that wait for runs are of the newest version; older ones are woken.
        return best.model_copy(update={"min_replicas": 0})
    return best


def warm_numbers(deployments: Sequence[Deployment], newest_ready: int | None, asker: Asker) -> list[int]:
    """Versions that `asker` must keep replicas of although nobody asks."""
    warm = [d for d in deployments if d.min_replicas > 0 and asker.may_serve(d)]
    numbers = [newest_ready if d.pinned is None else d.pinned for d in warm]
    return [number for number in numbers if number is not None]
