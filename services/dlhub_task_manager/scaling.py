"""How many replicas a version should have: a pure decision, so that it can be tested without any."""

from __future__ import annotations

from dataclasses import dataclass

from proto_msgs.sites import Deployment


@dataclass(frozen=True, kw_only=True, slots=True)
class Load:
    """What a version's runs and replicas look like right now."""

    ready: int
    starting: int
    busy: int
    """Replicas with a batch in hand."""
    waiting: int
    """Runs that no replica has, here and in the broker's queues."""
    longest_wait_ms: float
    """Of the runs held here."""
    idle_s: float
    """Since any replica had a run."""
    wanted: bool
    """Somebody said that runs wait, and none has been seen yet."""


def replicas_wanted(load: Load, deployment: Deployment, limit: int) -> int:
    """The number of replicas to have, given the site's `limit` for one version.

    From none, one is started when runs wait. Another follows when all are busy and runs wait longer
    than `target_wait_ms`; one at a time, since each changes the wait. All above the minimum end
    after `idle_s` without a run.
    """
    most = min(deployment.max_replicas or limit, limit)
    least = min(deployment.min_replicas, most)
    now = load.ready + load.starting
    if now == 0:
        return max(least, 1 if load.waiting or load.wanted else 0)
    if load.waiting and load.busy >= load.ready and load.starting == 0:
        slow = load.longest_wait_ms > deployment.target_wait_ms
        return max(least, min(most, now + 1 if slow else now))
    if not load.waiting and not load.busy and not load.wanted and load.idle_s >= deployment.idle_s:
        return least
    return max(least, min(now, most))
