"""A deployment that is asked for: who asks gives it a trust, with which it goes on after the call."""

import contextlib
import time
import uuid

from gateway.cloud.sessions import Sessions
from gateway.deploy import flow, marks, plan
from gateway.deploy.model import Deployment, Release, Spec, Status
from gateway.deploy.store import DeploymentStore


class Asked:
    def __init__(self, sessions: Sessions, store: DeploymentStore):
        self._sessions = sessions
        self._store = store

    def first(self, context, spec: Spec) -> Deployment:
        """Of a service that does not run yet. Raises what ``trust`` raises."""
        now, targets, id = time.time(), plan.first(spec), str(uuid.uuid4())
        return Deployment(
            id=id,
            project_id=context.project_id,
            request_id=context.request_id,
            trust_id=self.trust(context, id),
            release=release(context, 1, spec),
            status=Status.PENDING,
            fault=None,
            created_at=now,
            updated_at=now,
            steps=flow.planned_steps(**plan.shape(spec, targets)),
            targets=targets,
        )

    def trust(self, context, id: str) -> str:
        """Marked, so that one whose deployment has never been stored is found by the sweep. Raises Forbidden
        where Keystone gives none."""
        mark = marks.description(self._store.owner, id)
        return self._sessions.create_trust(
            context.auth, context.user_id, context.project_id, context.roles, mark
        )

    @contextlib.contextmanager
    def kept_only_if_stored(self, trust_id: str):
        try:
            yield
        except BaseException:
            self._sessions.delete_trust(trust_id)
            raise


def release(context, number: int, spec: Spec, folder: str | None = None) -> Release:
    return Release.wanted(number, spec, context.user_id, context.request_id, time.time(), folder)
