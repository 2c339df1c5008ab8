"""/v1/deployments: a service onto servers, in one call."""

import dataclasses
import functools
import time
import uuid

import pecan

from gateway import errors
from gateway.api import wish
from gateway.api.collection import PAGE, Collection, page
from gateway.api.expose import expose, isoformat, wants_events
from gateway.api.log import Following
from gateway.api.waiting import last_event_id
from gateway.deploy import flow
from gateway.deploy.model import UNFINISHED, Deployment, LogLine, Spec, Status, Target

#: Lines have numbers for ids.
LOG_PAGE = {
    **PAGE,
    "marker": {"type": "integer", "minimum": 0, "maximum": 2**63 - 1, "error": "must be the id of a line."},
}


class Deployments(Collection):
    on_collection = {"GET": "get_all", "POST": "post"}
    on_member = {"GET": "get_one", "DELETE": "delete"}
    on_part = {"log": {"GET": "get_log"}}

    def __init__(self, parts):
        self._conf = parts.conf
        self._sessions = parts.sessions
        self._store = parts.deployments
        self._following = Following(parts.deployments, parts.waiting)

    @expose(policy="gateway:deployments:get", query=PAGE)
    def get_all(self, context, limit=None, marker=None):
        """Newest first."""
        fetch = functools.partial(self._store.deployments, context.project_id)
        return page("deployments", self._conf, fetch, _summary, limit, marker)

    @expose(policy="gateway:deployments:get")
    def get_one(self, id, context):
        return {"deployment": _view(self._store.deployment(id, context.project_id))}

    @expose(policy="gateway:deployments:create", body=wish.BODY, status=202)
    def post(self, context, body):
        self._check_replicas(body["deployment"])
        cloud = self._sessions.user(context.auth)
        spec, secrets = wish.resolve(body["deployment"], context, cloud, self._store)
        trust_id = self._sessions.create_trust(
            context.auth, context.user_id, context.project_id, context.roles
        )
        deployment = self._stored(context, spec, secrets, trust_id)
        pecan.response.headers["Location"] = f"{pecan.request.path_url}/{deployment.id}"
        return {"deployment": _view(deployment)}

    def _check_replicas(self, wanted: dict) -> None:
        most = self._conf.deploy.max_replicas
        if max(wanted.get("replicas", 1), len(wanted["server"].get("ids", ()))) > most:
            raise errors.Invalid(
                "gateway.deployment.replicas", f"replicas: at most {most} here.", field="deployment.replicas"
            )

    @expose(policy="gateway:deployments:delete", status=202)
    def delete(self, id, context):
        """The engine takes everything back; GET answers 404 once that is done."""
        self._store.deployment(id, context.project_id)
        self._store.move(id, Status.DELETING, [*UNFINISHED, Status.SUCCEEDED, Status.FAILED])
        return {"deployment": _view(self._store.deployment(id, context.project_id))}

    @expose(policy="gateway:deployments:get", query={**LOG_PAGE, "follow": {"type": "boolean"}}, streams=True)
    def get_log(self, id, context, limit=None, marker=0, follow=False):
        """What the steps and the remote commands printed, oldest first; followed: see gateway.api.log."""
        self._store.deployment(id, context.project_id)
        if follow or wants_events(pecan.request):
            after = last_event_id(pecan.request)
            return self._following.follow(id, marker if after is None else after, context)
        fetch = functools.partial(self._store.read_log, id)
        return page("log", self._conf, fetch, _line, limit, marker)

    def _stored(self, context, spec: Spec, secrets: dict, trust_id: str) -> Deployment:
        now = time.time()
        deployment = Deployment(
            id=str(uuid.uuid4()),
            project_id=context.project_id,
            user_id=context.user_id,
            request_id=context.request_id,
            trust_id=trust_id,
            spec=spec,
            status=Status.PENDING,
            fault=None,
            created_at=now,
            updated_at=now,
            steps=flow.planned_steps(**flow.shape(spec)),
            targets=tuple(Target(number) for number in range(spec.replicas)),
        )
        try:
            self._store.add(deployment, secrets)
        except BaseException:
            self._sessions.delete_trust(trust_id)
            raise
        return deployment


def _line(line: LogLine) -> dict:
    return {
        "at": isoformat(line.at),
        "step": line.step,
        "target": line.target,
        "text": line.text,
        "id": line.id,
    }


def _summary(deployment: Deployment) -> dict:
    return {
        "id": deployment.id,
        "service": deployment.spec.service,
        "version": deployment.spec.version,
        "status": deployment.status,
        "replicas": deployment.spec.replicas,
        "fault": dataclasses.asdict(deployment.fault) if deployment.fault else None,
        "request_id": deployment.request_id,
        "created_at": isoformat(deployment.created_at),
        "updated_at": isoformat(deployment.updated_at),
    }


def _view(deployment: Deployment) -> dict:
    spec = deployment.spec
    return {
        **_summary(deployment),
        "steps": [
            {
                **dataclasses.asdict(step),
                "started_at": isoformat(step.started_at),
                "finished_at": isoformat(step.finished_at),
            }
            for step in deployment.steps
        ],
        "instances": [
            {**dataclasses.asdict(target), "url": _url(spec, target)} for target in deployment.targets
        ],
        "spec": dataclasses.asdict(spec),
    }


def _url(spec: Spec, target: Target) -> str | None:
    if target.address is None:
        return None
    host = f"[{target.address}]" if ":" in target.address else target.address
    return f"{spec.proto}://{host}:{spec.port}"
