"""Subscriptions to the change feed and the deliveries that did not get through: what they are, their SQL."""

import dataclasses
import enum
from collections.abc import Iterable

import sqlalchemy as sa

from gateway import errors
from gateway.db import Database, Sealed, metadata
from gateway.vault import Vault


@dataclasses.dataclass(frozen=True)
class Subscription:
    """A project's receiver of changes, those of ``type`` or all. It was told everything up to ``index``; the
    change after that has been tried ``attempts`` times, the last time with ``error``."""

    id: str
    project_id: str
    url: str
    type: str | None
    secret: str = dataclasses.field(repr=False)  # "whsec_…", as Standard Webhooks writes them
    index: int
    created_at: float
    attempts: int = 0
    error: str = ""


class State(enum.StrEnum):
    DEAD = "dead"  # given up
    PENDING = "pending"  # to be sent again


@dataclasses.dataclass(frozen=True)
class Delivery:
    """A change that a receiver did not take. ``body`` is what was sent, ``at`` when it was given up."""

    subscription_id: str
    index: int
    body: str
    state: State
    attempts: int
    error: str
    at: float


_subscriptions = sa.Table(
    "subscriptions",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("project_id", sa.String(64), nullable=False, index=True),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("type", sa.String(128)),
    sa.Column("secret", Sealed, nullable=False),
    sa.Column("index", sa.BigInteger, nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("error", sa.Text, nullable=False),
)
_deliveries = sa.Table(
    "deliveries",
    metadata,
    sa.Column(
        "subscription_id",
        sa.String(36),
        sa.ForeignKey("subscriptions.id", ondelete="CASCADE"),
        primary_key=True,
    ),
    sa.Column("index", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("error", sa.Text, nullable=False),
    sa.Column("at", sa.Double, nullable=False),
)
_notified = sa.Table(
    "notified",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),  # one row, 1
    sa.Column("index", sa.BigInteger, nullable=False),
)


class SubscriptionStore:
    """Threads may share it; every method is one transaction."""

    def __init__(self, database: Database, vault: Vault):
        self._database = database
        self.commits = database.commits
        self._vault = vault

    # For those who subscribe; what belongs to another project is not there (NotFound)

    def add(self, subscription: Subscription, most: int) -> None:
        """Raises Conflict when the project has ``most`` already."""
        count = sa.select(sa.func.count()).where(_subscriptions.c.project_id == subscription.project_id)
        row = dataclasses.asdict(subscription) | {"secret": self._vault.seal(subscription.secret)}
        with self._database.write() as connection:
            if connection.scalar(count) >= most:
                raise errors.Conflict(
                    "gateway.subscription.too_many",
                    f"A project has at most {most} subscriptions ([webhooks] max_subscriptions).",
                )
            connection.execute(_subscriptions.insert(), row)

    def of_project(self, project_id: str, limit: int | None, marker: str | None) -> list[Subscription]:
        """By id."""
        where = [_subscriptions.c.project_id == project_id, _subscriptions.c.id > (marker or "")]
        return self._read(*where, limit=limit)

    def get(self, id: str, project_id: str) -> Subscription:
        for found in self._read(_subscriptions.c.id == id, _subscriptions.c.project_id == project_id):
            return found
        raise errors.NotFound("gateway.subscription.not_found", f"There is no subscription {id}.")

    def remove(self, id: str, project_id: str) -> None:
        with self._database.write() as connection:
            own = (_subscriptions.c.id == id, _subscriptions.c.project_id == project_id)
            if connection.execute(_subscriptions.delete().where(*own)).rowcount == 0:
                raise errors.NotFound("gateway.subscription.not_found", f"There is no subscription {id}.")

    def deliveries(
        self, id: str, state: State | None = None, limit: int | None = None, marker: int = 0
    ) -> list[Delivery]:
        """Those that did not get through, by index."""
        query = sa.select(_deliveries).where(
            _deliveries.c.subscription_id == id, _deliveries.c.index > marker
        )
        if state is not None:
            query = query.where(_deliveries.c.state == state)
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(_deliveries.c.index).limit(limit)).mappings()
            return [Delivery(**{**row, "state": State(row["state"])}) for row in rows]

    def resend(self, id: str, index: int | None = None) -> int:
        """Has one, or all, of the dead sent again; how many."""
        where = [_deliveries.c.subscription_id == id, _deliveries.c.state == State.DEAD]
        if index is not None:
            where.append(_deliveries.c.index == index)
        with self._database.write() as connection:
            update = _deliveries.update().where(*where).values(state=State.PENDING, attempts=0)
            return connection.execute(update).rowcount

    # For who delivers

    def everything(self) -> list[Subscription]:
        return self._read()

    def pending(self) -> set[str]:
        """The subscriptions that have something to be sent again."""
        query = sa.select(_deliveries.c.subscription_id).where(_deliveries.c.state == State.PENDING)
        with self._database.read() as connection:
            return set(connection.scalars(query.distinct()))

    def told(self, id: str, index: int) -> None:
        """Unless someone else is further by now."""
        newer = _subscriptions.update().where(_subscriptions.c.id == id, _subscriptions.c.index < index)
        with self._database.write() as connection:
            connection.execute(newer.values(index=index, attempts=0, error=""))

    def failed(self, id: str, attempts: int, error: str) -> None:
        self._set(id, attempts=attempts, error=error)

    def bury(self, delivery: Delivery) -> None:
        """Gives a change up for now, and goes on after it."""
        with self._database.write() as connection:
            connection.execute(_deliveries.insert(), dataclasses.asdict(delivery))
            connection.execute(
                _subscriptions.update()
                .where(_subscriptions.c.id == delivery.subscription_id)
                .values(index=delivery.index, attempts=0, error=delivery.error)
            )

    def rewrite(self, delivery: Delivery) -> None:
        with self._database.write() as connection:
            changed = dataclasses.asdict(delivery)
            connection.execute(_deliveries.update().where(*_one(delivery)).values(**changed))

    def delivered(self, delivery: Delivery) -> None:
        """What was to be sent again has got through."""
        with self._database.write() as connection:
            connection.execute(_deliveries.delete().where(*_one(delivery)))

    def notified(self) -> int | None:
        """The index of the last change that was told on OpenStack's message bus."""
        with self._database.read() as connection:
            return connection.scalar(sa.select(_notified.c.index))

    def set_notified(self, index: int) -> None:
        with self._database.write() as connection:
            if not connection.execute(_notified.update().values(index=index)).rowcount:
                connection.execute(_notified.insert().values(id=1, index=index))

    def _set(self, id: str, **values) -> None:
        with self._database.write() as connection:
            connection.execute(_subscriptions.update().where(_subscriptions.c.id == id).values(**values))

    def _read(self, *where: sa.ColumnElement[bool], limit: int | None = None) -> list[Subscription]:
        query = sa.select(_subscriptions).where(*where).order_by(_subscriptions.c.id).limit(limit)
        with self._database.read() as connection:
            rows = connection.execute(query).mappings().all()
        return [Subscription(**{**row, "secret": self._vault.open(row["secret"])}) for row in rows]


def _one(delivery: Delivery) -> Iterable[sa.ColumnElement[bool]]:
    return (
        _deliveries.c.subscription_id == delivery.subscription_id,
        _deliveries.c.index == delivery.index,
    )
