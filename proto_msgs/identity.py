"""Who somebody is, what they are called, and what an access list lets them do."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

PUBLIC = "public"


class Principal(BaseModel):
    """The caller of a request, once their token has been checked."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    identity: str
    """Stable name of the person, such as `ada@local`; what access lists hold."""
    namespace: str
    """First half of the names of the servables they publish."""
    groups: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    admin: bool = False

    def names(self) -> frozenset[str]:
        """Everything by which an access list can mean this caller."""
        return frozenset((PUBLIC, self.identity, *self.groups))


class Access(BaseModel):
    """Who owns a servable, who may discover it, and who may run it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    owner: str
    """Identity of the owner, who may do everything."""
    maintainers: tuple[str, ...] = ()
    visible_to: tuple[str, ...] = ()
    runnable_by: tuple[str, ...] | None = None

    def may_maintain(self, caller: Principal) -> bool:
        """Publish new versions, deploy, read logs and the tasks of others."""
        return (
            caller.admin or caller.identity == self.owner or not caller.names().isdisjoint(self.maintainers)
        )

    def may_run(self, caller: Principal) -> bool:
        """Call its methods; who may not discover it cannot run it either."""
        allowed = self.visible_to if self.runnable_by is None else self.runnable_by
        return self.may_maintain(caller) or (
            self.may_discover(caller) and not caller.names().isdisjoint(allowed)
        )

    def may_discover(self, caller: Principal) -> bool:
        """See that it exists, and its description."""
        return self.may_maintain(caller) or not caller.names().isdisjoint(self.visible_to)
