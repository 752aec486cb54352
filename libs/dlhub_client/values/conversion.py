"""Inputs and outputs of a client's runs, converted where they need it; a plain run costs nothing here."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dlhub_client.connection import Call, Connection
from dlhub_client.errors import DLHubError
from dlhub_client.models import Returns
from dlhub_client.values.kinds import is_plain, kind_of

if TYPE_CHECKING:
    from dlhub_client.values.declarations import Declarations, Describe
    from dlhub_client.values.sending import LargeFile
    from proto_msgs.arguments import Argument

UPLOAD_S = 3600.0
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Wish:
    """How an output is to be given."""

    returns: Returns
    declared: Argument | None = None


class Conversion:
    """Knows the declared types of what a client runs, as far as it had to ask."""

    def __init__(self, describe: Describe, connection: Connection) -> None:
        self._describe = describe
        self._connection = connection
        self._known: Declarations | None = None

    async def sent(self, name: str, method: str, inputs: Any, path: str = "inputs") -> Any:
        """The input that the method declares. Raises InputMismatch that says what would fit."""
        if is_plain(inputs):
            return inputs
        from dlhub_client.values import sending

        declared = await self._declarations().input_of(name, method)
        value = await asyncio.to_thread(sending.converted, inputs, declared, path)
        large = sending.large_files(value)
        if not large:
            return value
        hashes = {file: await self._upload(file) for file in dict.fromkeys(large)}
        return sending.with_uploads(value, hashes)

    def rows_of(self, inputs: Any) -> Any:
        """What a map runs over: the rows of a table, not the names of its columns."""
        return [row for _, row in inputs.iterrows()] if kind_of(inputs) == "frame" else inputs

    async def wish(self, returns: Returns, name: str, method: str) -> Wish | None:
        """How an output is to be given, made sure of before the run. Raises Malformed."""
        if returns is None:
            return None
        from dlhub_client.values import receiving

        wanted = receiving.checked(returns)
        if not receiving.needs_declaration(wanted):
            return Wish(wanted)
        return Wish(wanted, await self._declarations().output_of(name, method))

    async def given(self, output: Any, wish: Wish | None) -> Any:
        """The output as it was asked for. Raises OutputMisfit, which holds it, when it does not fit."""
        if wish is None:
            return output
        from dlhub_client.values import receiving

        return await asyncio.to_thread(receiving.given_as, output, wish.returns, wish.declared)

    async def given_each(self, outputs: list[Any], wish: Wish | None) -> list[Any]:
        """The outputs of a map as they were asked for; errors stay."""
        if wish is None:
            return outputs
        return [one if isinstance(one, DLHubError) else await self.given(one, wish) for one in outputs]

    def saw(self, name: str, metadata: Mapping[str, Any]) -> None:
        """A run was answered; it says by which version."""
        if self._known is not None:
            self._known.saw(name, metadata)

    def forget(self, name: str) -> None:
        """An input did not fit: its declaration may be another one by now."""
        if self._known is not None:
            self._known.forget(name)

    def _declarations(self) -> Declarations:
        if self._known is None:
            from dlhub_client.values.declarations import Declarations

            self._known = Declarations(self._describe)
        return self._known

    async def _upload(self, file: LargeFile) -> str:
        """The hash of a file that the hub has now; it goes there from the disk."""
        sha256 = await asyncio.to_thread(_hash_of, file)
        call = Call(
            method="PUT",
            path=f"/blobs/{sha256}",
            make_body=lambda: file.path.open("rb"),
            headers={"Content-Type": "application/octet-stream"},
            timeout_s=UPLOAD_S,
        )
        await self._connection.send(call)
        return sha256


def _hash_of(file: LargeFile) -> str:
    digest = hashlib.sha256()
    with file.path.open("rb") as content:
        while chunk := content.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
