"""Bindings that something runs with, such as a deployment: they stay as long as it does."""

from collections.abc import Callable, Collection
from typing import Protocol

import sqlalchemy as sa

from gateway import errors
from gateway.broker.model import LIVE, Status
from gateway.broker.tables import bindings, services


class Use(Protocol):
    """``str`` says what it is that runs with the binding."""

    binding_id: str


class InUse:
    """The part of ``BrokerStore`` that asks for them; whoever changes a service, or binds it, has its row."""

    _uses: Callable[[sa.Connection, str], Collection[Use]]  # of a service

    def hold(self, connection: sa.Connection, service_id: str, binding_id: str) -> None:
        """Until the end of the transaction, in which it comes into use. Raises Conflict where it has just
        gone, or is about to go."""
        service = _locked(connection, service_id)
        of_it = (bindings.c.service_id == service_id, bindings.c.id == binding_id)
        status = connection.scalar(sa.select(bindings.c.status).where(*of_it).with_for_update())
        if service is None or service.status not in LIVE or status != Status.READY:
            raise errors.Conflict(
                "gateway.service.busy",
                f"Service {service.name if service else service_id} was just changed by another call.",
            )

    def _check_unused(
        self, connection: sa.Connection, service_id: str, binding_id: str | None = None
    ) -> None:
        """A service, or one binding of it. Raises Conflict, which says what runs with it."""
        service = _locked(connection, service_id)
        users = [use for use in self._uses(connection, service_id) if binding_id in (None, use.binding_id)]
        if service is None or not users:
            return
        what = f"Service {service.name}" if binding_id is None else f"Binding {binding_id} of {service.name}"
        listed = ", ".join(dict.fromkeys(map(str, users)))
        raise errors.Conflict(
            "gateway.service.in_use" if binding_id is None else "gateway.binding.in_use",
            f"{what} is bound by {listed}: deploy that without it, or delete it, first.",
        )


def _locked(connection: sa.Connection, service_id: str) -> sa.Row | None:
    query = sa.select(services).where(services.c.id == service_id).with_for_update()
    return connection.execute(query).first()
