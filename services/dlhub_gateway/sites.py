"""Which sites are alive, and what they serve: learned from heartbeats alone."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from proto_msgs.identity import Principal
from proto_msgs.sites import Deployment, ServedVersion, SiteHeartbeat

LIVE_S = 15.0
"""A site from which nothing was heard for so long is not counted on."""
MAX_SITES = 1000


@dataclass(frozen=True, slots=True)
class _Heard:
    beat: SiteHeartbeat
    at: float


class SiteBook:
    """The last heartbeat of each task manager."""

    def __init__(self, *, live_s: float = LIVE_S) -> None:
        self._live_s = live_s
        self._heard: dict[tuple[str, str], _Heard] = {}
        self._listening_since = time.monotonic()
        self.ready: frozenset[str] = frozenset()
        """Ids of the versions for which some live site has a replica that has loaded the model."""

    def hear(self, beat: SiteHeartbeat) -> None:
        """A heartbeat has come."""
        self._drop_stale()
        key = (beat.site, beat.instance)
        if beat.stopping:
            self._heard.pop(key, None)
        elif key in self._heard or len(self._heard) < MAX_SITES:
            self._heard[key] = _Heard(beat, time.monotonic())
        self._count_ready()

    def start_over(self) -> None:
        """The connection is back: silence until now says nothing about the sites."""
        self._listening_since = time.monotonic()

    def live(self) -> list[SiteHeartbeat]:
        """The last heartbeat of each live task manager."""
        self._drop_stale()
        return [heard.beat for heard in self._heard.values()]

    def names(self) -> list[str]:
        """Live sites, in alphabetical order."""
        return sorted({beat.site for beat in self.live()})

    def may_serve(self, version_id: str, kind: str | None, deployments: Sequence[Deployment]) -> bool:
        """Whether some live site could run this version; True as long as we have not listened long enough."""
        if version_id in self.ready:
            return True
        if any(_could_serve(beat, version_id, kind, deployments) for beat in self.live()):
            return True
        return time.monotonic() - self._listening_since < self._live_s

    def item_s(self, version_id: str, method: str) -> float | None:
        """How long a replica takes for one item, as the slowest live site measured it; None: nobody has."""
        served = (served for beat in self.live() for served in beat.served if served.version_id == version_id)
        return max((found for s in served if (found := s.item_s.get(method)) is not None), default=None)

    def most_replicas(self, version_id: str, kind: str | None, deployments: Sequence[Deployment]) -> int:
        """How many replicas the live sites could have of this version, if nothing else ran there."""
        return sum(
            _most_replicas(beat, version_id, deployments)
            for beat in self.live()
            if _could_serve(beat, version_id, kind, deployments)
        )

    def refresh(self) -> None:
        """Forget sites that have gone silent."""
        self._drop_stale()
        self._count_ready()

    def _drop_stale(self) -> None:
        oldest = time.monotonic() - self._live_s
        for key in [key for key, heard in self._heard.items() if heard.at < oldest]:
            del self._heard[key]

    def _count_ready(self) -> None:
        self.ready = frozenset(
            served.version_id
            for heard in self._heard.values()
            for served in heard.beat.served
            if served.ready > 0
        )


def _could_serve(
    beat: SiteHeartbeat, version_id: str, kind: str | None, deployments: Sequence[Deployment]
) -> bool:
    if any(served.version_id == version_id for served in beat.served):
        return True
    if kind is not None and kind not in beat.environment_kinds:
        return False
    if not deployments:
        return beat.accepts_defaults
    return any(d.site == beat.site or (d.site is None and beat.accepts_defaults) for d in deployments)


def _most_replicas(beat: SiteHeartbeat, version_id: str, deployments: Sequence[Deployment]) -> int:
    """What this site's own limits and its deployment allow."""
    if beat.limits is None:
        return sum(s.ready + s.starting for s in beat.served if s.version_id == version_id)
    here = [d for d in deployments if d.site == beat.site] or [d for d in deployments if d.site is None]
    wanted = here[0].max_replicas if here else None
    return min(wanted or beat.limits.max_replicas_per_version, beat.limits.max_replicas)


def describe_sites(beats: Iterable[SiteHeartbeat], caller: Principal) -> list[dict[str, Any]]:
    """Live sites for people: what each has and does. What others serve is counted, not named."""
    return [
        {
            "site": beat.site,
            "instance": beat.instance,
            "accepts_defaults": beat.accepts_defaults,
            "environment_kinds": list(beat.environment_kinds),
            "limits": beat.limits.model_dump() if beat.limits else None,
            "replicas": sum(served.ready + served.starting for served in beat.served),
            "served": [s.model_dump() for s in beat.served if _concerns(s, caller)],
        }
        for beat in sorted(beats, key=lambda beat: (beat.site, beat.instance))
    ]


def _concerns(served: ServedVersion, caller: Principal) -> bool:
    return caller.admin or served.servable.startswith(f"{caller.namespace}/")
