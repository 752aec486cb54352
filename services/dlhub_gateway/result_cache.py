"""The gateway's level of the inference cache: small outputs of deterministic methods.

Asked only after the token, the servable's access and the inputs were checked, as for any other run.
What is too large for this level is remembered by the site that computed it.
"""

from __future__ import annotations

import secrets
from typing import NamedTuple

from dlhub_gateway.methods import CompiledMethod
from dlhub_runtime.byte_cache import ByteCache, fingerprint
from proto_msgs.blobs import BlobRef
from proto_msgs.runs import Outcome

LEVEL = "gateway"
MAX_BODY_BYTES = 64 * 1024


class Kept(NamedTuple):
    """An output, packed, and the site that computed it."""

    body: bytes
    site: str


class Answered(NamedTuple):
    """An outcome has come; it may be a failure of the model."""

    outcome: Outcome
    site: str


class ResultCache(ByteCache[Kept]):
    """Outputs of one gateway process."""

    __slots__ = ("_prefix",)

    def __init__(self, max_bytes: int) -> None:
        super().__init__(max_bytes)
        self._prefix = secrets.token_hex(8)
        """Of the ids of runs that were answered from here: random numbers for each would cost the most."""

    def key_of(
        self, version_id: str, method: CompiledMethod, payload: bytes, blob: BlobRef | None = None
    ) -> bytes | None:
        """What the output of such a run is kept under; None: it is not kept."""
        if not method.deterministic or not self.max_bytes:
            return None
        return fingerprint(version_id, method.name, payload, blob)

    def find(self, key: bytes) -> Answered | None:
        """The output as the outcome of a run of its own."""
        kept = self.get(key)
        if kept is None:
            return None
        run_id = f"{self._prefix}{self.hits:016x}"
        return Answered(Outcome(run_id=run_id, ok=True, body=kept.body, cached=LEVEL), kept.site)

    def keep(self, key: bytes, outcome: Outcome, site: str) -> None:
        """Remember an output; failures and what is large are not kept."""
        if outcome.ok and outcome.blob is None and len(outcome.body) <= MAX_BODY_BYTES:
            self.put(key, Kept(outcome.body, site), len(outcome.body))
