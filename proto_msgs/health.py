"""Is a service there, and is what it needs there?"""

from __future__ import annotations

from typing import ClassVar

from proto_msgs.messages import Message, Request


class Health(Message):
    """Reply: what is missing, as text for people; empty when all is well."""

    missing: tuple[str, ...] = ()


class AskCatalog(Request[Health]):
    """Does the catalog answer, and its database?"""

    key: ClassVar[str] = "catalog.health.ask"
    reply: ClassVar[type[Message]] = Health


class AskBuilder(Request[Health]):
    """Does a builder answer?"""

    key: ClassVar[str] = "builder.health.ask"
    reply: ClassVar[type[Message]] = Health
