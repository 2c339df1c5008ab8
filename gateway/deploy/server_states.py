"""Nova's word on the servers of instances that fail, asked with their deployments' trusts."""

import itertools
import logging
from collections.abc import Iterable, Sequence

from gateway import errors
from gateway.cloud.sessions import Sessions
from gateway.deploy.store import DeploymentStore
from gateway.registry.model import Instance, Key

LOG = logging.getLogger(__name__)


class ServerStates:
    """A ``gateway.registry.monitor.Servers``. Where Nova or Keystone does not answer, nothing is said."""

    def __init__(self, store: DeploymentStore, sessions: Sessions):
        self._store = store
        self._sessions = sessions

    def __call__(self, instances: Sequence[Instance]) -> dict[Key, str | None]:
        """One listing for each project."""
        found: dict[Key, str | None] = {}
        by_project = sorted(instances, key=lambda instance: instance.project_id)
        for project_id, group in itertools.groupby(by_project, lambda instance: instance.project_id):
            try:
                found.update(self._of_project(list(group)))
            except errors.GatewayError as error:
                LOG.info(
                    "Nova cannot be asked about the servers of project %s: %s", project_id, error.message
                )
        return found

    def _of_project(self, instances: list[Instance]) -> dict[Key, str | None]:
        trust_id = self._trust({instance.deployment_id for instance in instances})
        if trust_id is None:
            return {}
        statuses = self._sessions.trust(trust_id).statuses({instance.server_id for instance in instances})
        return {instance.key: statuses[instance.server_id] for instance in instances}

    def _trust(self, deployment_ids: Iterable[str]) -> str | None:
        """Any of them serves: they are of one project."""
        for id in sorted(deployment_ids):
            try:
                trust_id = self._store.deployment(id).trust_id
            except errors.NotFound:
                continue
            if trust_id is not None:
                return trust_id
        return None
