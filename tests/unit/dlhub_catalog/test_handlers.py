"""The table of handlers, and rules that need no database."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from typing import Any

import pytest

import proto_msgs
from dlhub_catalog.handlers import HANDLERS
from dlhub_catalog.handlers.accounts import granted
from dlhub_catalog.handlers.deployments import check_distinct
from dlhub_catalog.handlers.servables import content_key
from proto_msgs.blobs import BlobRef
from proto_msgs.description import Description
from proto_msgs.errors import Forbidden, Malformed
from proto_msgs.messages import Request
from proto_msgs.sites import Deployment


def _requests(kind: type[Any] = Request) -> Iterator[type[Request[Any]]]:
    for child in kind.__subclasses__():
        yield from _requests(child)
        if "key" in vars(child):
            yield child


def test_every_request_to_the_catalog_has_a_handler() -> None:
    for module in pkgutil.iter_modules(proto_msgs.__path__):
        importlib.import_module(f"proto_msgs.{module.name}")
    asked = {kind for kind in _requests() if kind.key.startswith("catalog.")}
    assert asked == set(HANDLERS)


def test_every_handler_takes_the_request_it_is_listed_for() -> None:
    for kind, handler in HANDLERS.items():
        annotations = inspect.get_annotations(handler, eval_str=True)
        assert (annotations["request"], annotations["return"]) == (kind, kind.reply)


def test_a_full_token_may_grant_any_scope() -> None:
    assert granted(("run",), ()) == ("run",)


def test_a_narrow_token_hands_on_its_own_scopes() -> None:
    assert granted((), ("run",)) == ("run",)


def test_a_narrow_token_cannot_grant_more() -> None:
    with pytest.raises(Forbidden, match="publish"):
        granted(("run", "publish"), ("run",))


def test_two_deployments_of_the_same_at_one_site_are_refused() -> None:
    with pytest.raises(Malformed, match="2 deployments of the newest version at the site 'a'"):
        check_distinct([Deployment(site="a"), Deployment(site="a", min_replicas=1)])


def test_deployments_of_two_versions_at_one_site_are_fine() -> None:
    check_distinct([Deployment(site="a", pinned=1), Deployment(site="a", pinned=2), Deployment()])


def test_the_content_key_does_not_depend_on_the_order_of_fields() -> None:
    block = {"name": "m", "visible_to": ["public"]}
    servable = {"type": "Python static method", "methods": {"run": _RUN}}
    datacite = {"titles": [{"title": "T"}]}
    one = Description.model_validate({"datacite": datacite, "dlhub": block, "servable": servable})
    two = Description.model_validate(
        {"servable": servable, "dlhub": dict(reversed(block.items())), "datacite": datacite}
    )
    archive = BlobRef(sha256="0" * 64, size_bytes=1)
    assert content_key(one, archive) == content_key(two, archive)


_RUN = {"input": {"type": "integer"}, "output": {"type": "integer"}}
