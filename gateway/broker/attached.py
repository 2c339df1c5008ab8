"""Providers: the SQL. Their passwords are sealed before they reach the database."""

import dataclasses
import time
from collections.abc import Iterable

import sqlalchemy as sa

from gateway import errors
from gateway.broker.model import LIVE, Offers, Provider, Status, is_renewed, on_server, with_catalogue
from gateway.broker.tables import providers as _providers
from gateway.broker.tables import services as _services
from gateway.db import Database, tried_again
from gateway.vault import Vault

_LIVE = _services.c.status.in_(LIVE)
_NOT_FAILED = _services.c.status != Status.FAILED  # what the broker still answers for


class Providers:
    """The part of ``BrokerStore`` that has them."""

    _database: Database
    _vault: Vault

    @tried_again
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

    @tried_again
    def change_provider(self, provider: Provider, has_catalogue: bool = False) -> None:
        """Services that this changes something for are to be updated. Raises NotFound for one that is gone or
        going, Conflict for a plan that is left out and has services; not where that is of its catalogue."""
        with self._database.write() as connection:
            before = self._standing(connection, provider.name)
            if has_catalogue:
                provider = _catalogued(connection, before, provider)
            of_it = _services.c.provider == provider.name
            plans = sa.select(_services.c.type, _services.c.plan).where(of_it, _LIVE).distinct()
            used = connection.execute(plans).tuples().all()
            if missing := sorted(plan for type, plan in used if not provider.plan(type, plan)):
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
            changed = [each for each in used if is_renewed(before, provider, *each)]
            of_plan = sa.tuple_(_services.c.type, _services.c.plan)
            of_plans = (of_it, of_plan.in_(changed), _LIVE)
            status = sa.case(
                (_services.c.status == Status.READY, Status.UPDATING.value), else_=_services.c.status
            )
            connection.execute(
                _services.update().where(*of_plans).values(status=status, updated_at=provider.updated_at)
            )

    @tried_again
    def keep_catalogue(self, name: str, told: Offers) -> bool:
        """Whether anything is new in there. Raises NotFound for one that is gone or going."""
        with self._database.write() as connection:
            before = self._standing(connection, name)
            after = _catalogued(connection, before, dataclasses.replace(before, offers=told))
            changed = after.offers != before.offers
            if changed:
                values = {"offers": after.offers, "updated_at": time.time()}
                connection.execute(_providers.update().where(_providers.c.name == name).values(**values))
            return changed

    @tried_again
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
                .values(status=Status.DELETING, fault=None, operation=None, updated_at=time.time())
            )
            return remove_empty(connection, name)

    @tried_again
    def forget_provider(self, name: str) -> list[str]:
        """With its services, of which nothing is removed there: what they are called on it. Raises
        NotFound."""
        with self._database.write() as connection:
            if connection.scalar(_locked(name)) is None:
                raise _no_provider(name)
            of_it = _services.c.provider == name
            left = connection.scalars(sa.select(_services.c.id).where(of_it, _NOT_FAILED)).all()
            connection.execute(_services.delete().where(of_it))
            connection.execute(_providers.delete().where(_providers.c.name == name))
            return [on_server(id) for id in sorted(left)]

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
        return vars(provider) | {"password": self._vault.seal(provider.password)}

    def _provider(self, row: sa.Row) -> Provider:
        password = self._vault.open(row.password)
        return Provider(**{**row._mapping, "password": password, "status": Status(row.status)})


def _locked(name: str) -> sa.Select:
    return sa.select(_providers).where(_providers.c.name == name).with_for_update()


def remove_empty(connection: sa.Connection, name: str) -> bool:
    """Whether nothing was left of the provider but services that have failed."""
    of_it = _services.c.provider == name
    if connection.scalar(sa.select(_services.c.id).where(of_it, _NOT_FAILED).limit(1)):
        return False
    connection.execute(_services.delete().where(of_it))
    connection.execute(_providers.delete().where(_providers.c.name == name))
    return True


def _catalogued(connection: sa.Connection, before: Provider, after: Provider) -> Provider:
    """``after``, with the plans that its services have."""
    of_it = _services.c.provider == before.name
    plans = (_services.c.plan, _services.c.in_force)
    used = sa.union(*(sa.select(_services.c.type, plan).where(of_it, plan.is_not(None)) for plan in plans))
    offers = with_catalogue(before.offers, after.offers, connection.execute(used).tuples().all())
    return dataclasses.replace(after, offers=offers)


def _no_provider(name: str) -> errors.NotFound:
    return errors.NotFound("gateway.provider.not_found", f"There is no provider {name}.")
