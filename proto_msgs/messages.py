"""What every message that is not on the run path has in common.

A `Request` names its routing key and the type of its reply; an `Event` builds its routing key from
its own fields. Both are frozen pydantic models, sent as msgpack maps. Unknown fields are ignored
and every field that is added after the first release has a default.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar, Generic, Self, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from proto_msgs import codec
from proto_msgs.errors import Malformed


class Message(BaseModel):
    """A typed body, sent as a msgpack map."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    def pack(self) -> bytes:
        """The bytes of this message."""
        return codec.pack(self.model_dump())

    @classmethod
    def unpack(cls, body: bytes) -> Self:
        """Read `pack`'s bytes. Raises Malformed."""
        try:
            return cls.model_validate(codec.unpack(body))
        except (codec.DecodeError, ValidationError) as error:
            raise Malformed(f"this is not a message of type {cls.__name__}: {error}") from error


class Done(Message):
    """The reply of requests that have nothing to tell but that they were done."""


R = TypeVar("R", bound=Message)


class Request(Message, Generic[R]):
    """A question to one service; somebody waits for the reply."""

    key: ClassVar[str]
    """Routing key on `dlhub.rpc`, with fields in braces."""
    reply: ClassVar[type[Message]]

    @property
    def routing_key(self) -> str:
        """The routing key of this request."""
        return _filled(self.key, self)

    @classmethod
    def read_reply(cls, body: bytes) -> R:
        """The typed reply."""
        return cls.reply.unpack(body)  # type: ignore[return-value] # `reply` is R, which ClassVar cannot say


class Event(Message):
    """A fact; nobody waits."""

    template: ClassVar[str]
    """Routing key on `dlhub.events`, with fields in braces."""

    @property
    def routing_key(self) -> str:
        """The routing key of this event."""
        return _filled(self.template, self)

    @classmethod
    def pattern(cls, **fields: str) -> str:
        """Binding key for these events; a field that is not given matches anything."""
        return re.sub(r"\{(\w+)\}", lambda match: fields.get(match[1], "*"), cls.template)


def _filled(template: str, message: Message) -> str:
    """`template` with the message's own fields for the names in braces."""
    fields: dict[str, Any] = {name: getattr(message, name) for name in type(message).model_fields}
    return template.format(**fields)
