"""Rotations: one of a service's bindings takes the place of others. A service has the last of them."""

import dataclasses
import time

import sqlalchemy as sa

from gateway import errors
from gateway.broker.model import Binding, Fault, Rotation, RotationStatus, Status
from gateway.broker.tables import bindings
from gateway.broker.tables import rotations as _rotations
from gateway.db import Database, tried_again


class Rotations:
    """The part of ``BrokerStore`` that keeps them."""

    _database: Database

    @tried_again
    def begin_rotation(self, rotation: Rotation, binding: Binding, most: int) -> bool:
        """With ``binding`` as the successor; one that failed goes on with the successor that it has, where
        that works. Raises Conflict while one is under way, and what ``add_binding`` raises, and returns what
        that does."""
        with self._database.write() as connection:
            if not self._is_live(connection, rotation.service_id):
                return False
            before = _read(connection, _rotations.c.service_id == rotation.service_id)
            if before and before[0].status is RotationStatus.RUNNING:
                raise errors.Conflict(
                    "gateway.service.rotating",
                    f"New credentials are on the way already, since {before[0].request_id}.",
                )
            if before and before[0].status is RotationStatus.FAILED and self._works(connection, before[0]):
                replaces = {*rotation.replaces, *before[0].replaces} - {before[0].successor}
                rotation = dataclasses.replace(
                    rotation, successor=before[0].successor, replaces=tuple(sorted(replaces))
                )
            else:
                self._insert_binding(connection, binding, most)
            _replace(connection, rotation)
            return True

    def _works(self, connection: sa.Connection, rotation: Rotation) -> bool:
        of_it = (bindings.c.service_id == rotation.service_id, bindings.c.id == rotation.successor)
        return connection.scalar(sa.select(bindings.c.status).where(*of_it)) == Status.READY

    def rotation(self, service_id: str) -> Rotation | None:
        """The last one."""
        with self._database.read() as connection:
            return next(iter(_read(connection, _rotations.c.service_id == service_id)), None)

    def rotations(self) -> list[Rotation]:
        """Those that are under way."""
        with self._database.read() as connection:
            return _read(connection, _rotations.c.status == RotationStatus.RUNNING)

    @tried_again
    def end_rotation(self, rotation: Rotation, status: RotationStatus, fault: Fault | None = None) -> None:
        values = {"status": status, "fault": fault and dataclasses.asdict(fault), "updated_at": time.time()}
        one = (_rotations.c.service_id == rotation.service_id, _rotations.c.updated_at == rotation.updated_at)
        with self._database.write() as connection:
            connection.execute(_rotations.update().where(*one).values(**values))


def _read(connection: sa.Connection, *where: sa.ColumnElement[bool]) -> list[Rotation]:
    return [
        Rotation(
            **{
                **row._mapping,
                "replaces": tuple(row.replaces),
                "status": RotationStatus(row.status),
                "fault": Fault(**row.fault) if row.fault else None,
            }
        )
        for row in connection.execute(sa.select(_rotations).where(*where)).all()
    ]


def _replace(connection: sa.Connection, rotation: Rotation) -> None:
    connection.execute(_rotations.delete().where(_rotations.c.service_id == rotation.service_id))
    connection.execute(_rotations.insert(), vars(rotation) | {"replaces": list(rotation.replaces)})
