"""Services and bindings: the SQL. Passwords and credentials are sealed before they reach the database."""

import dataclasses
import json
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

import sqlalchemy as sa

from gateway import errors
from gateway.broker.attached import Providers, remove_empty
from gateway.broker.in_use import InUse, Use
from gateway.broker.model import (
    LIVE,
    UNFINISHED,
    Binding,
    Fault,
    Service,
    Status,
    on_server,
)
from gateway.broker.rotations import Rotations
from gateway.broker.tables import bindings as _bindings
from gateway.broker.tables import providers as _providers
from gateway.broker.tables import services as _services
from gateway.db import Database, tried_again
from gateway.vault import Vault


class BrokerStore(Providers, InUse, Rotations):
    """Safe to share between threads; every method is one transaction. ``uses``: what runs with the bindings
    of a service."""

    def __init__(
        self,
        database: Database,
        vault: Vault,
        uses: Callable[[sa.Connection, str], Collection[Use]] = lambda connection, service_id: (),
    ):
        self._database = database
        self.commits = database.commits
        self._vault = vault
        self._uses = uses

    # What projects have; what belongs to another one is not there (NotFound)

    @tried_again
    def add(
        self, service: Service, most: int, also: Callable[[sa.Connection], None] = lambda connection: None
    ) -> None:
        """With its bindings, in place of one of its name or id that has failed; ``also`` is done in the same
        transaction. Raises oslo.db's DBDuplicateEntry for one that has not, NotFound where its provider goes
        just now, QuotaExceeded where the project has ``most`` already."""
        row = {name: value for name, value in vars(service).items() if name != "bindings"}
        of_project = _services.c.project_id == service.project_id
        with self._database.write() as connection:
            self._standing(connection, service.provider)
            if connection.scalar(sa.select(sa.func.count()).where(of_project, _live())) >= most:
                raise errors.QuotaExceeded(
                    "gateway.service.too_many",
                    f"A project has at most {most} services ([broker] max_services).",
                )
            same = sa.or_(_services.c.name == service.name, _services.c.id == service.id)
            failed = _services.c.status == Status.FAILED
            connection.execute(_services.delete().where(of_project, same, failed))
            connection.execute(_services.insert(), row)
            if service.bindings:
                rows = [self._binding_row(each) for each in service.bindings]
                connection.execute(_bindings.insert(), rows)
            also(connection)

    def service(self, project_id: str, name: str) -> Service:
        for found in self._read(_services.c.project_id == project_id, _services.c.name == name):
            return found
        raise errors.NotFound("gateway.service.not_found", f"There is no service {name}.")

    def services(
        self,
        project_id: str,
        user_id: str | None = None,
        provider: str | None = None,
        limit: int | None = None,
        marker: str | None = None,
    ) -> list[Service]:
        """By name."""
        where = [_services.c.project_id == project_id, _services.c.name > (marker or "")]
        where += [_services.c.user_id == user_id] if user_id else []
        where += [_services.c.provider == provider] if provider else []
        return self._read(*where, limit=limit)

    @tried_again
    def set_plan(self, service: Service, plan: str) -> bool:
        """False where it is not live any more, or its provider goes."""
        values = {"plan": plan, "status": Status.UPDATING, "updated_at": time.time()}
        standing = (Status.READY, Status.UPDATING)
        with self._database.write() as connection:
            provider = self._standing(connection, service.provider)
            wanted = provider.plan(service.type, plan)
            is_offered = wanted is not None and wanted.is_offered
            return is_offered and _set(connection, service.id, standing, **values)

    @tried_again
    def delete(self, service: Service) -> None:
        """Has it deleted; one that has failed is gone at once. Raises Conflict where it is in use."""
        with self._database.write() as connection:
            self._check_unused(connection, service.id)
            gone = _services.delete().where(_services.c.id == service.id, _services.c.status == Status.FAILED)
            if not connection.execute(gone).rowcount:
                _set(connection, service.id, status=Status.DELETING, updated_at=time.time())

    @tried_again
    def add_binding(self, binding: Binding, most: int) -> bool:
        """In place of one of its id that has failed. False where its service is not live any more. Raises
        oslo.db's DBDuplicateEntry for one that has not, QuotaExceeded where that has ``most``."""
        with self._database.write() as connection:
            if not self._is_live(connection, binding.service_id):
                return False
            failed = (_one(binding), _bindings.c.status == Status.FAILED)
            connection.execute(_bindings.delete().where(*failed))
            self._insert_binding(connection, binding, most)
            return True

    def _is_live(self, connection: sa.Connection, service_id: str) -> bool:
        """Locked, so that it is until the end of the transaction."""
        one = sa.select(_services.c.id).where(_services.c.id == service_id, _live())
        return connection.scalar(one.with_for_update()) is not None

    def _insert_binding(self, connection: sa.Connection, binding: Binding, most: int) -> None:
        count = sa.select(sa.func.count()).where(_bindings.c.service_id == binding.service_id)
        if connection.scalar(count) >= most:
            raise errors.QuotaExceeded(
                "gateway.binding.too_many",
                f"A service has at most {most} bindings ([broker] max_bindings).",
            )
        connection.execute(_bindings.insert(), self._binding_row(binding))

    @tried_again
    def delete_binding(self, binding: Binding) -> None:
        """Has it deleted; one that has failed is gone at once. Raises Conflict where it is in use."""
        with self._database.write() as connection:
            self._check_unused(connection, binding.service_id, binding.id)
            failed = _bindings.delete().where(_one(binding), _bindings.c.status == Status.FAILED)
            if not connection.execute(failed).rowcount:
                connection.execute(
                    _bindings.update()
                    .where(_one(binding))
                    .values(status=Status.DELETING, fault=None, operation=None)
                )

    # For who does it

    def unfinished(self) -> list[tuple[str, str]]:
        """(id, provider) of the services that have something to be done about them."""
        bound = sa.select(_bindings.c.service_id).where(_bindings.c.status.in_(UNFINISHED))
        wanted = sa.or_(
            _services.c.status.in_(UNFINISHED),
            sa.and_(_services.c.status == Status.READY, _services.c.id.in_(bound)),
        )
        query = sa.select(_services.c.id, _services.c.provider).where(wanted).order_by(_services.c.updated_at)
        with self._database.read() as connection:
            return list(connection.execute(query).tuples().all())

    def by_id(self, service_id: str) -> Service | None:
        return next(iter(self._read(_services.c.id == service_id)), None)

    @tried_again
    def move(self, service: Service, status: Status, fault: Fault | None = None) -> bool:
        """False where another change was asked for since it was read: then that is to be done first."""
        as_read = (_services.c.status == service.status, _services.c.updated_at == service.updated_at)
        values = {"status": status, "fault": fault and dataclasses.asdict(fault), "operation": None}
        values |= {"in_force": service.plan} if status is Status.READY else {}
        values["updated_at"] = time.time()
        with self._database.write() as connection:
            change = _services.update().where(_services.c.id == service.id, *as_read).values(**values)
            return bool(connection.execute(change).rowcount)

    @tried_again
    def move_binding(self, binding: Binding, status: Status, fault: Fault | None = None) -> bool:
        """As ``move``; with the credentials that it has."""
        as_read = (_one(binding), _bindings.c.status == binding.status)
        values = {"status": status, "fault": fault and dataclasses.asdict(fault), "operation": None}
        values["credentials"] = self._sealed(binding.credentials)
        with self._database.write() as connection:
            return bool(connection.execute(_bindings.update().where(*as_read).values(**values)).rowcount)

    @tried_again
    def keep_operation(self, about: Service | Binding, operation: str | None) -> None:
        """Where nothing else was asked for since it was read."""
        if isinstance(about, Service):
            change = _services.update().where(_services.c.id == about.id, _services.c.status == about.status)
        else:
            change = _bindings.update().where(_one(about), _bindings.c.status == about.status)
        with self._database.write() as connection:
            connection.execute(change.values(operation=operation))

    @tried_again
    def keep_sizes(self, provider: str, sizes: Mapping[str, int]) -> None:
        """By what its services are called there; of those that have changed."""
        with self._database.write() as connection:
            of_it = sa.select(_services.c.id, _services.c.size).where(_services.c.provider == provider)
            for id, size in connection.execute(of_it).tuples().all():
                if (seen := sizes.get(on_server(id), size)) != size:
                    connection.execute(_services.update().where(_services.c.id == id).values(size=seen))

    @tried_again
    def forget_operations(self, service_id: str) -> None:
        """The service's and its bindings': they are over."""
        of_services = _services.update().where(_services.c.id == service_id)
        of_bindings = _bindings.update().where(_bindings.c.service_id == service_id)
        with self._database.write() as connection:
            for change in (of_services, of_bindings):
                connection.execute(change.values(operation=None))

    @tried_again
    def remove(self, service: Service) -> None:
        """Nothing is left of it; nor of its provider, where that was to go with the last of its services."""
        with self._database.write() as connection:
            # the provider's row first, as who deletes a provider does
            going = sa.select(_providers.c.status).where(_providers.c.name == service.provider)
            status = connection.scalar(going.with_for_update())
            connection.execute(_services.delete().where(_services.c.id == service.id))
            if status == Status.DELETING:
                remove_empty(connection, service.provider)

    @tried_again
    def remove_binding(self, binding: Binding) -> None:
        with self._database.write() as connection:
            connection.execute(_bindings.delete().where(_one(binding)))

    @tried_again
    def forget_failed(self, before: float) -> None:
        """Those that have failed before that time."""
        services = (_services.c.status == Status.FAILED, _services.c.updated_at < before)
        bindings = (_bindings.c.status == Status.FAILED, _bindings.c.created_at < before)
        with self._database.write() as connection:
            connection.execute(_services.delete().where(*services))
            connection.execute(_bindings.delete().where(*bindings))

    def _read(self, *where, limit: int | None = None) -> list[Service]:
        query = sa.select(_services).where(*where).order_by(_services.c.name).limit(limit)
        with self._database.read() as connection:
            rows = connection.execute(query).all()
            of_them = _bindings.c.service_id.in_([row.id for row in rows])
            ordered = sa.select(_bindings).where(of_them).order_by(_bindings.c.created_at, _bindings.c.id)
            bindings = [self._binding(row) for row in connection.execute(ordered).all()]
        return [
            Service(
                **{**row._mapping, "status": Status(row.status), "fault": _fault(row.fault)},
                bindings=tuple(each for each in bindings if each.service_id == row.id),
            )
            for row in rows
        ]

    def _binding_row(self, binding: Binding) -> dict:
        password, credentials = self._vault.seal(binding.password), self._sealed(binding.credentials)
        return vars(binding) | {"password": password, "credentials": credentials}

    def _sealed(self, credentials: Mapping[str, Any] | None) -> str | None:
        return None if credentials is None else self._vault.seal(json.dumps(credentials))

    def _binding(self, row: sa.Row) -> Binding:
        values = {
            "password": self._vault.open(row.password),
            "credentials": json.loads(self._vault.open(row.credentials)) if row.credentials else None,
            "status": Status(row.status),
            "fault": _fault(row.fault),
        }
        return Binding(**{**row._mapping, **values})


def _live() -> sa.ColumnElement[bool]:
    return _services.c.status.in_(LIVE)


def _one(binding: Binding) -> sa.ColumnElement[bool]:
    return sa.and_(_bindings.c.service_id == binding.service_id, _bindings.c.id == binding.id)


def _set(connection: sa.Connection, id: str, statuses: Iterable[Status] | None = None, **values) -> bool:
    """As something new is wanted of it, what was said of it before is over."""
    update = _services.update().where(_services.c.id == id)
    if statuses is not None:
        update = update.where(_services.c.status.in_(statuses))
    return bool(connection.execute(update.values(fault=None, operation=None, **values)).rowcount)


def _fault(value: dict | None) -> Fault | None:
    return Fault(**value) if value else None
