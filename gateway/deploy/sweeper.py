"""Looks for what has leaked and deletes it at second sight, with the rights of the gateway's own user.

Where those are an admin's it sees all projects, else its own; trusts are all given to it. Nothing is deleted
unless Nova, Neutron, Keystone and the database have all answered.
"""

import contextlib
import functools
import threading
import time
from collections.abc import Callable, Collection

from oslo_config import cfg
from oslo_log import log

from gateway import errors, periodic
from gateway.cloud.openstack import Cloud
from gateway.cloud.sessions import Sessions
from gateway.deploy import sweep
from gateway.deploy.store import DeploymentStore
from gateway.deploy.sweep import Kind, Thing

LOG = log.getLogger(__name__)


class Sweeper:
    """Remembers what it saw at the look before. For one thread."""

    def __init__(
        self,
        conf: cfg.ConfigOpts,
        store: DeploymentStore,
        sessions: Sessions,
        clock: Callable[[], float] = time.time,
    ):
        self._conf = conf
        self._store = store
        self._sessions = sessions
        self._clock = clock
        self._seen: dict[Thing, float] = {}

    def run(self, stop: threading.Event) -> None:
        """A sweep every [engine] sweep_interval seconds until ``stop``, which another engine's sweeper may
        follow: then nothing is deleted any more."""
        self._seen = {}
        act = functools.partial(self.sweep, stop.is_set)
        periodic.every(self._conf.engine.sweep_interval, stop, "A sweep", act)

    def sweep(self, is_over: Callable[[], bool] = lambda: False) -> dict[Thing, str | None]:
        """A look, and what was leaked at the look before, too, is deleted until ``is_over``: each with None,
        or with why it could not be. Raises what the cloud and the database raise; nothing is deleted then."""
        before = self._seen
        due = sweep.due(before, self.look())
        return self._delete(due, is_over) if due else {}

    def look(self) -> dict[Thing, float]:
        """What is leaked, in the order to delete it, and since when it is seen. A look that fails is none:
        what was seen before it has to be seen twice again."""
        before, self._seen = self._seen, {}
        cloud = self._sessions.service()
        things = sweep.marked(
            cloud.every_server(), cloud.floating_ips(), cloud.security_groups(), self._sessions.trusts()
        )
        things += sweep.kept(self._sessions.credentials(), self._store.owner)
        # last: what is made for a deployment comes after its row; only its trust just before
        known = self._store.known()
        self._seen = sweep.sighted(before, sweep.leaked(things, self._store.owner, known), self._clock())
        return self._seen

    def _delete(self, due: Collection[Thing], is_over: Callable[[], bool]) -> dict[Thing, str | None]:
        cloud = self._sessions.service()
        told: dict[Thing, str | None] = dict.fromkeys(due)

        def delete(thing: Thing) -> None:
            if is_over():
                told[thing] = "another engine sweeps now"
            else:
                self._delete_one(cloud, thing, told)

        for thing in due:
            if thing.kind is not Kind.SECURITY_GROUP:
                delete(thing)
        servers = [thing.id for thing in due if thing.kind is Kind.SERVER and not told[thing]]
        with contextlib.suppress(errors.GatewayError):  # its group says so, and the next look
            cloud.wait_deleted(servers)
        for thing in due:
            if thing.kind is Kind.SECURITY_GROUP:
                delete(thing)
        return told

    def _delete_one(self, cloud: Cloud, thing: Thing, told: dict[Thing, str | None]) -> None:
        what = f"{thing.kind} {thing.name} ({thing.id}) of the lost deployment {thing.deployment_id or '?'}"
        delete = {
            Kind.FLOATING_IP: cloud.delete_floating_ip,
            Kind.SERVER: cloud.delete_server,
            Kind.SECURITY_GROUP: cloud.delete_security_group,
            Kind.TRUST: self._sessions.delete_trust,
            Kind.APPLICATION_CREDENTIAL: self._sessions.delete_trust,
        }[thing.kind]
        try:
            delete(thing.id)
            LOG.info("Swept: %s", what)
        except errors.GatewayError as error:
            told[thing] = error.message
            LOG.warning("Could not sweep %s: %s. The next sweep tries again.", what, error.message)
