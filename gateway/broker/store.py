"""Providers, services and bindings: the SQL. Passwords are sealed before they reach the database."""

import dataclasses
import time
from collections.abc import Iterable

import sqlalchemy as sa

from gateway import errors
from gateway.broker.model import LIVE, UNFINISHED, Binding, Fault, Limits, Provider, Service, Status
from gateway.db import Database, Sealed, metadata
from gateway.vault import Vault

_providers = sa.Table(
    "providers",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("type", sa.String(32), nullable=False),
    sa.Column("host", sa.String(255), nullable=False),
    sa.Column("port", sa.Integer, nullable=False),
    sa.Column("username", sa.String(64), nullable=False),
    sa.Column("password", Sealed, nullable=False),
    sa.Column("plans", sa.JSON, nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("updated_at", sa.Double, nullable=False),
)
_services = sa.Table(
    "services",
    metadata,
    sa.Column("id", sa.String(16), primary_key=True),
    sa.Column("project_id", sa.String(64), nullable=False),
    sa.Column("user_id", sa.String(64), nullable=False),
    sa.Column("name", sa.String(64), nullable=False),
    sa.Column("type", sa.String(32), nullable=False),
    sa.Column("provider", sa.String(64), sa.ForeignKey("providers.name"), nullable=False, index=True),
    sa.Column("plan", sa.String(64), nullable=False),
    sa.Column("status", sa.String(16), nullable=False, index=True),
    sa.Column("fault", sa.JSON(none_as_null=True)),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("updated_at", sa.Double, nullable=False),
    sa.Index("uq_services_name", "project_id", "name", unique=True),
)
_bindings = sa.Table(
    "bindings",
    metadata,
    sa.Column(
        "service_id", sa.String(16), sa.ForeignKey("services.id", ondelete="CASCADE"), primary_key=True
    ),
    sa.Column("id", sa.String(8), primary_key=True),
    sa.Column("password", Sealed, nullable=False),
    sa.Column("status", sa.String(16), nullable=False, index=True),
    sa.Column("fault", sa.JSON(none_as_null=True)),
    sa.Column("created_at", sa.Double, nullable=False),
)
_NOT_FAILED = _services.c.status != Status.FAILED  # what the broker still answers for


class BrokerStore:
    """Safe to share between threads; every method is one transaction."""

    def __init__(self, database: Database, vault: Vault):
        self._database = database
        self._vault = vault

    # Providers

    def add_provider(self, provider: Provider) -> None:
        """Raises oslo.db's DBDuplicateEntry when there is one of the name."""
        with self._database.write() as connection:
            connection.execute(_providers.insert(), self._provider_row(provider))

    def provider(self, name: str) -> Provider:
        for found in self._read_providers(_providers.c.name == name):
            return found
        raise _no_provider(name)

    def providers(self, limit: int | None = None, marker: str | None = None) -> list[Provider]:
        """By name."""
        return self._read_providers(_providers.c.name > (marker or ""), limit=limit)

    def counts(self, names: Iterable[str]) -> dict[str, int]:
        """How many services of each of these providers the broker still answers for."""
        count = sa.select(_services.c.provider, sa.func.count()).where(
            _services.c.provider.in_(list(names)), _NOT_FAILED
        )
        with self._database.read() as connection:
            found = dict(connection.execute(count.group_by(_services.c.provider)).tuples().all())
        return {name: found.get(name, 0) for name in names}

    def change_provider(self, provider: Provider) -> None:
        """Services whose plan's limits change are to be updated. Raises NotFound for one that is gone or
        going, Conflict for a plan that is left out and has services."""
        with self._database.write() as connection:
            before = self._standing(connection, provider.name)
            of_it = _services.c.provider == provider.name
            used = set(connection.scalars(sa.select(_services.c.plan).where(of_it, _live()).distinct()))
            if missing := sorted(used - set(provider.plans)):
                raise errors.Conflict(
                    "gateway.provider.plan_in_use",
                    f"plans: {missing[0]} has services; move them to another plan, or delete them.",
                    field="provider.plans",
                )
            connection.execute(
                _providers.update()
                .where(_providers.c.name == provider.name)
                .values(**self._provider_row(provider))
            )
            changed = [plan for plan in used if provider.plans[plan] != before.plans.get(plan)]
            of_plans = (of_it, _services.c.plan.in_(changed), _live())
            status = sa.case(
                (_services.c.status == Status.READY, Status.UPDATING.value), else_=_services.c.status
            )
            connection.execute(
                _services.update().where(*of_plans).values(status=status, updated_at=provider.updated_at)
            )

    def delete_provider(self, name: str, force: bool) -> bool:
        """False where its services are to be deleted first, which has begun: the provider goes with the last
        of them. Raises NotFound, and Conflict where it has services and there is no ``force``."""
        with self._database.write() as connection:
            of_it = (_services.c.provider == name, _NOT_FAILED)
            count = sa.select(sa.func.count()).where(*of_it)
            if connection.scalar(_locked(name)) is None:
                raise _no_provider(name)
            if (services := connection.scalar(count)) and not force:
                raise errors.Conflict(
                    "gateway.provider.in_use",
                    f"{name} has {services} service{'s' if services > 1 else ''}: delete them first, or give "
                    "force=true to have them deleted.",
                )
            connection.execute(
                _providers.update().where(_providers.c.name == name).values(status=Status.DELETING)
            )
            connection.execute(
                _services.update()
                .where(*of_it)
                .values(status=Status.DELETING, fault=None, updated_at=time.time())
            )
            return _remove_empty(connection, name)

    def _standing(self, connection: sa.Connection, name: str) -> Provider:
        """Locked, so that it stands until the end of the transaction."""
        row = connection.execute(_locked(name)).first()
        if row is None or row.status == Status.DELETING:
            raise _no_provider(name)
        return self._provider(row)

    def _read_providers(self, *where, limit: int | None = None) -> list[Provider]:
        query = sa.select(_providers).where(*where).order_by(_providers.c.name).limit(limit)
        with self._database.read() as connection:
            return [self._provider(row) for row in connection.execute(query).all()]

    def _provider_row(self, provider: Provider) -> dict:
        plans = {name: dataclasses.asdict(limits) for name, limits in provider.plans.items()}
        return vars(provider) | {"password": self._vault.seal(provider.password), "plans": plans}

    def _provider(self, row: sa.Row) -> Provider:
        plans = {name: Limits(**limits) for name, limits in row.plans.items()}
        password = self._vault.open(row.password)
        return Provider(
            **{**row._mapping, "password": password, "plans": plans, "status": Status(row.status)}
        )

    # What projects have; what belongs to another one is not there (NotFound)

    def add(self, service: Service, most: int) -> None:
        """With its bindings, in place of a service of its name that has failed. Raises oslo.db's
        DBDuplicateEntry for one that has not, NotFound where its provider goes just now, QuotaExceeded where
        the project has ``most`` already."""
        row = {name: value for name, value in vars(service).items() if name != "bindings"}
        of_project = _services.c.project_id == service.project_id
        with self._database.write() as connection:
            self._standing(connection, service.provider)
            if connection.scalar(sa.select(sa.func.count()).where(of_project, _live())) >= most:
                raise errors.QuotaExceeded(
                    "gateway.service.too_many",
                    f"A project has at most {most} services ([broker] max_services).",
                )
            failed = (_services.c.name == service.name, _services.c.status == Status.FAILED)
            connection.execute(_services.delete().where(of_project, *failed))
            connection.execute(_services.insert(), row)
            connection.execute(_bindings.insert(), [self._binding_row(each) for each in service.bindings])

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

    def set_plan(self, service: Service, plan: str) -> bool:
        """False where it is not live any more, or its provider goes."""
        values = {"plan": plan, "status": Status.UPDATING, "fault": None, "updated_at": time.time()}
        standing = (Status.READY, Status.UPDATING)
        with self._database.write() as connection:
            provider = self._standing(connection, service.provider)
            return plan in provider.plans and _set(connection, service.id, standing, **values)

    def delete(self, service: Service) -> None:
        """Has it deleted; one that has failed is gone at once."""
        with self._database.write() as connection:
            gone = _services.delete().where(_services.c.id == service.id, _services.c.status == Status.FAILED)
            if not connection.execute(gone).rowcount:
                _set(connection, service.id, status=Status.DELETING, fault=None, updated_at=time.time())

    def add_binding(self, binding: Binding, most: int) -> bool:
        """False where its service is not live any more. Raises QuotaExceeded where that has ``most``."""
        with self._database.write() as connection:
            is_live = sa.select(_services.c.id).where(_services.c.id == binding.service_id, _live())
            if connection.scalar(is_live.with_for_update()) is None:
                return False
            count = sa.select(sa.func.count()).where(_bindings.c.service_id == binding.service_id)
            if connection.scalar(count) >= most:
                raise errors.QuotaExceeded(
                    "gateway.binding.too_many",
                    f"A service has at most {most} bindings ([broker] max_bindings).",
                )
            connection.execute(_bindings.insert(), self._binding_row(binding))
            return True

    def delete_binding(self, binding: Binding) -> None:
        """Has it deleted; one that has failed is gone at once."""
        with self._database.write() as connection:
            failed = _bindings.delete().where(_one(binding), _bindings.c.status == Status.FAILED)
            if not connection.execute(failed).rowcount:
                connection.execute(
                    _bindings.update().where(_one(binding)).values(status=Status.DELETING, fault=None)
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

    def move(self, service: Service, status: Status, fault: Fault | None = None) -> bool:
        """False where another change was asked for since it was read: then that is to be done first."""
        as_read = (_services.c.status == service.status, _services.c.updated_at == service.updated_at)
        values = {"status": status, "fault": fault and dataclasses.asdict(fault), "updated_at": time.time()}
        with self._database.write() as connection:
            change = _services.update().where(_services.c.id == service.id, *as_read).values(**values)
            return bool(connection.execute(change).rowcount)

    def move_binding(self, binding: Binding, status: Status, fault: Fault | None = None) -> bool:
        """As ``move``."""
        as_read = (_one(binding), _bindings.c.status == binding.status)
        values = {"status": status, "fault": fault and dataclasses.asdict(fault)}
        with self._database.write() as connection:
            return bool(connection.execute(_bindings.update().where(*as_read).values(**values)).rowcount)

    def remove(self, service: Service) -> None:
        """Nothing is left of it; nor of its provider, where that was to go with the last of its services."""
        with self._database.write() as connection:
            connection.execute(_services.delete().where(_services.c.id == service.id))
            going = sa.select(_providers.c.status).where(_providers.c.name == service.provider)
            if connection.scalar(going.with_for_update()) == Status.DELETING:
                _remove_empty(connection, service.provider)

    def remove_binding(self, binding: Binding) -> None:
        with self._database.write() as connection:
            connection.execute(_bindings.delete().where(_one(binding)))

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
        return vars(binding) | {"password": self._vault.seal(binding.password)}

    def _binding(self, row: sa.Row) -> Binding:
        password = self._vault.open(row.password)
        values = {"password": password, "status": Status(row.status), "fault": _fault(row.fault)}
        return Binding(**{**row._mapping, **values})


def _live() -> sa.ColumnElement[bool]:
    return _services.c.status.in_(LIVE)


def _one(binding: Binding) -> sa.ColumnElement[bool]:
    return sa.and_(_bindings.c.service_id == binding.service_id, _bindings.c.id == binding.id)


def _locked(name: str) -> sa.Select:
    return sa.select(_providers).where(_providers.c.name == name).with_for_update()


def _set(connection: sa.Connection, id: str, statuses: Iterable[Status] | None = None, **values) -> bool:
    update = _services.update().where(_services.c.id == id)
    if statuses is not None:
        update = update.where(_services.c.status.in_(statuses))
    return bool(connection.execute(update.values(**values)).rowcount)


def _remove_empty(connection: sa.Connection, name: str) -> bool:
    """Whether nothing was left of the provider but services that have failed."""
    of_it = _services.c.provider == name
    if connection.scalar(sa.select(_services.c.id).where(of_it, _NOT_FAILED).limit(1)):
        return False
    connection.execute(_services.delete().where(of_it))
    connection.execute(_providers.delete().where(_providers.c.name == name))
    return True


def _fault(value: dict | None) -> Fault | None:
    return Fault(**value) if value else None


def _no_provider(name: str) -> errors.NotFound:
    return errors.NotFound("gateway.provider.not_found", f"There is no provider {name}.")
