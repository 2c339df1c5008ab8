"""/v1/deployments: a service onto servers, in one call; each further call for it is its next release."""

import dataclasses
import functools
import hashlib
import json
import re

import pecan
from oslo_db import exception as db_exception

from gateway import errors
from gateway.api import asked, bind, wish
from gateway.api.collection import CLOUD, PAGE, Collection, page
from gateway.api.deployment_view import LINE, SHOWN, SUMMARY, line_view, summary_view, view
from gateway.api.expose import expose, wants_events
from gateway.api.journal import JOURNAL, QUERY, Journals
from gateway.api.log import Following
from gateway.api.server_plans import check_no_service
from gateway.api.shapes import listed
from gateway.api.waiting import LAST_EVENT_ID, last_event_id
from gateway.binding.environment import chosen, environment
from gateway.deploy import flow, plan
from gateway.deploy.model import (
    SETTLED,
    UNFINISHED,
    Deployment,
    Fault,
    IdempotencyKey,
    Jump,
    Release,
    ReleaseState,
    Spec,
    Status,
    Target,
)

#: Lines have numbers for ids.
LOG_PAGE = {
    **PAGE,
    "marker": {"type": "integer", "minimum": 0, "maximum": 2**63 - 1, "error": "must be the id of a line."},
}
_ROLLBACK = {
    "type": "object",
    "properties": {"release": {"type": "integer", "minimum": 1}},
    "additionalProperties": False,
}
_CANCELED = Fault("cancel", None, "gateway.deployment.canceled", "Canceled on request.")
_KEY = {
    "type": "string",
    "pattern": "^[ -~]{1,255}$",
    "error": "must be 1 to 255 printable ASCII characters.",
}


class Deployments(Collection):
    on_collection = {"GET": "get_all", "POST": "post"}
    on_member = {"GET": "get_one", "DELETE": "delete"}
    on_part = {
        "log": {"GET": "get_log"},
        "journal": {"GET": "get_journal"},
        "cancel": {"POST": "cancel"},
        "rollback": {"POST": "rollback"},
    }

    def __init__(self, parts):
        self._conf = parts.conf
        self._sessions = parts.sessions
        self._store = parts.deployments
        self._broker = parts.broker
        self._asked = asked.Asked(parts.sessions, parts.deployments)
        self._following = Following(parts.deployments, parts.waiting)
        self._journals = Journals(parts)

    @expose(policy="gateway:deployments:get", query=PAGE, answer=listed("deployments", SUMMARY))
    def get_all(self, context, limit=None, marker=None):
        """Newest first."""
        fetch = functools.partial(self._store.deployments, context.project_id)
        return page("deployments", self._conf, fetch, summary_view, limit, marker)

    @expose(policy="gateway:deployments:get", answer=SHOWN)
    def get_one(self, id, context):
        return self._shown(id, context)

    @expose(
        policy="gateway:deployments:create",
        body=wish.BODY,
        status=202,
        answer=SHOWN,
        raises=[*CLOUD, errors.Conflict],
        headers=["Location"],
        told={"Idempotency-Key": _KEY},
    )
    def post(self, context, body):
        """A service that does not run is deployed; of one that runs this is the next release."""
        key = _idempotency_key(body)
        if key and (known := self._store.idempotency_key(context.project_id, key.key)):
            return self._answered_before(key, known, context)
        self._check_replicas(body["deployment"])
        try:
            deployment = self._accepted(context, body["deployment"], key)
        except db_exception.DBDuplicateEntry as error:  # another call was quicker
            known = self._store.idempotency_key(context.project_id, key.key) if key else None
            if known is None:
                raise _busy(body["deployment"]["service"], "was just asked for by another call") from error
            return self._answered_before(key, known, context)
        return self._located(deployment.id, context)

    def _accepted(self, context, wanted: dict, key: IdempotencyKey | None) -> Deployment:
        check_no_service(self._broker, context.project_id, wanted["service"])
        live = self._store.live(context.project_id, wanted["service"])
        if live and live.status not in SETTLED:
            raise _busy(live.spec.service, f"is {live.status} (deployment {live.id})")
        running = live and wish.Running(live.spec, self._store.secrets(live.id, live.release.number))
        cloud = self._sessions.user(context.auth)
        spec, secrets = wish.resolve(wanted, context, cloud, self._store, running)
        spec, secrets = self._bound(context, spec, secrets, bind.wanted(wanted))
        if live is None:
            return self._first(context, spec, secrets, key)
        same = plan.runs_the_same(live.spec, spec) and secrets == running.secrets
        folder = live.release.folder if same else None
        targets = plan.following(live.spec, live.targets, spec, same)
        return self._next(context, live, (spec, secrets, folder), targets, key)

    def _bound(self, context, spec: Spec, secrets: dict, wanted: list[tuple[str, str]]) -> tuple[Spec, dict]:
        """With the credentials of the services that are ``wanted``, as they are now."""
        if not wanted:
            return spec, secrets
        bind.check_allowed()
        spec = dataclasses.replace(spec, bind=chosen(self._broker, context.project_id, wanted))
        return spec, secrets | {"bound": environment(self._broker, spec)}

    def _first(self, context, spec: Spec, secrets: dict, key: IdempotencyKey | None) -> Deployment:
        deployment = self._asked.first(context, spec)
        with self._asked.kept_only_if_stored(deployment.trust_id):
            self._store.add(deployment, secrets, _for(key, deployment))
        return deployment

    def _next(
        self,
        context,
        live: Deployment,
        wanted: tuple[Spec, dict, str | None],
        targets: tuple[Target, ...],
        key: IdempotencyKey | None = None,
    ) -> Deployment:
        """``wanted``: what runs, what is secret in it, and the folder where it is on the servers already."""
        spec, secrets, folder = wanted
        release = asked.release(context, self._store.releases(live.id)[0].number + 1, spec, folder)
        trust_id = self._asked.trust(context, live.id)
        deployment = flow.next_of(live, release, targets, context.request_id, trust_id)
        with self._asked.kept_only_if_stored(deployment.trust_id):
            if not self._store.begin(deployment, secrets, _for(key, deployment)):
                raise _busy(live.spec.service, "was just changed by another call")
        return deployment

    def _answered_before(self, key: IdempotencyKey, known: IdempotencyKey, context) -> dict:
        if key.body != known.body:
            raise errors.Conflict(
                "gateway.request.idempotency_key",
                f"Idempotency-Key: {key.key} was used for another body; use a new key for a new wish.",
            )
        return self._located(known.deployment_id, context)

    def _located(self, id: str, context) -> dict:
        pecan.response.headers["Location"] = f"{pecan.request.host_url}/v1/deployments/{id}"
        return self._shown(id, context)

    def _check_replicas(self, wanted: dict) -> None:
        most = self._conf.deploy.max_replicas
        if max(wanted.get("replicas", 1), len(wanted["server"].get("ids", ()))) > most:
            raise errors.Invalid(
                "gateway.deployment.replicas", f"replicas: at most {most} here.", field="deployment.replicas"
            )

    @expose(
        policy="gateway:deployments:create",
        body=_ROLLBACK,
        status=202,
        answer=SHOWN,
        raises=[*CLOUD, errors.Conflict],
    )
    def rollback(self, id, context, body):
        """A new release of what an earlier one was; without ``release``, the one before."""
        live = self._store.deployment(id, context.project_id)
        check_no_service(self._broker, context.project_id, live.spec.service)
        if live.status not in SETTLED:
            raise _busy(live.spec.service, f"is {live.status}")
        old = _earlier(self._store.releases(id), live.release, body.get("release"))
        spec = plan.at_the_scale_of(old.spec, live.spec)
        targets = plan.following(live.spec, live.targets, spec, same=False)
        old_secrets = self._store.secrets(id, old.number)
        secrets = wish.at_the_servers_of(self._store.secrets(id, live.release.number), old_secrets)
        bound = [(each.service, each.prefix) for each in spec.bind]
        spec, secrets = self._bound(context, spec, secrets, bound)
        is_there = secrets.get("bound") == old_secrets.get("bound")
        self._next(context, live, (spec, secrets, old.folder if is_there else None), targets)
        return self._shown(id, context)

    @expose(policy="gateway:deployments:create", status=202, answer=SHOWN, raises=[errors.Conflict])
    def cancel(self, id, context):
        """What was done is taken back: a first deployment ends as failed, an update as rolled_back."""
        deployment = self._store.deployment(id, context.project_id)
        if self._store.move(id, Status.REVERTING, [Status.PENDING, Status.RUNNING]):
            self._store.set_fault(id, _CANCELED)
        elif deployment.status is not Status.REVERTING:
            raise errors.Conflict(
                "gateway.deployment.not_running",
                f"The deployment is {self._store.status(id)}: only a pending or running one can be canceled.",
            )
        return self._shown(id, context)

    @expose(policy="gateway:deployments:delete", status=202, answer=SHOWN, raises=[errors.Conflict])
    def delete(self, id, context):
        """The engine takes everything back; GET answers 404 once that is done."""
        deployment = self._store.deployment(id, context.project_id)
        check_no_service(self._broker, context.project_id, deployment.spec.service)
        self._store.move(id, Status.DELETING, [*UNFINISHED, *SETTLED, Status.FAILED])
        return self._shown(id, context)

    @expose(
        policy="gateway:deployments:get",
        query={**LOG_PAGE, "follow": {"type": "boolean"}},
        answer=listed("log", LINE),
        also={204: None},
        raises=[errors.Unavailable],
        told={"Last-Event-ID": LAST_EVENT_ID},
        streams=True,
    )
    def get_log(self, id, context, limit=None, marker=0, follow=False):
        """What the steps and the remote commands printed, oldest first; followed: see gateway.api.log."""
        self._store.deployment(id, context.project_id)
        after = last_event_id(pecan.request)
        if follow or wants_events(pecan.request):
            return self._following.follow(id, marker if after is None else after, context)
        fetch = functools.partial(self._store.read_log, id)
        return page("log", self._conf, fetch, line_view, limit, marker)

    @expose(
        policy="gateway:deployments:journal",
        query=QUERY,
        answer=JOURNAL,
        raises=[*CLOUD, errors.Conflict, errors.Unhealthy],
        told={"Last-Event-ID": LAST_EVENT_ID},
        streams=True,
    )
    def get_journal(self, id, context, instance=None, lines=100, follow=False):
        """What the service printed on one of its servers: see gateway.api.journal."""
        deployment = self._store.deployment(id, context.project_id)
        after = last_event_id(pecan.request) or 0
        if follow or wants_events(pecan.request):
            return self._journals.follow(deployment, instance, lines, after, context)
        return self._journals.last(deployment, instance, lines)

    def _shown(self, id: str, context) -> dict:
        deployment = self._store.deployment(id, context.project_id)
        shown = view(deployment, self._store.releases(id))
        for instance, target in zip(shown["instances"], deployment.targets, strict=True):
            instance["ssh"] = self._way_in(deployment, target)
        return {"deployment": shown}

    def _way_in(self, deployment: Deployment, target: Target) -> dict | None:
        """For who has a key there; the gateway's own never leaves it."""
        if target.host_key is None:
            return None
        server = deployment.spec.server
        user = server.user or self._store.login_user(deployment.project_id, target.server_id)
        way = {"host": target.address, "port": self._conf.ssh.port, "user": user}
        return {**way, "host_key": target.host_key, "jump": self._jump(server.jump)}

    def _jump(self, jump: Jump | None) -> dict | None:
        if jump is None:
            return None
        way = {"host": jump.address, "port": self._conf.ssh.port, "user": jump.user}
        return {**way, "host_keys": jump.host_keys}


def _idempotency_key(body: dict) -> IdempotencyKey | None:
    """draft-ietf-httpapi-idempotency-key-header: the client's name for this one call."""
    key = pecan.request.headers.get("Idempotency-Key")
    if key is None:
        return None
    if not re.fullmatch(_KEY["pattern"], key):
        raise errors.Invalid(
            "gateway.request.idempotency_key",
            f"Idempotency-Key: {_KEY['error']}",
            field="Idempotency-Key",
        )
    digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    return IdempotencyKey(key, digest, "")


def _for(key: IdempotencyKey | None, deployment: Deployment) -> IdempotencyKey | None:
    return dataclasses.replace(key, deployment_id=deployment.id) if key else None


def _earlier(releases: list[Release], running: Release, number: int | None) -> Release:
    """The release to go back to: the newest that ran something else, or the one with that number."""
    for each in releases:
        if number is None and each.state is ReleaseState.OLD and each.folder != running.folder:
            return each
        if each.number == number:
            return _that_ran(each)
    which = "no earlier release" if number is None else f"no release {number}"
    known = ", ".join(f"{r.number} ({r.spec.version}, {r.state})" for r in releases)
    raise errors.Conflict(
        "gateway.deployment.no_release", f"There is {which} to go back to; there are: {known}."
    )


def _that_ran(release: Release) -> Release:
    if release.state is ReleaseState.OLD:
        return release
    raise errors.Conflict(
        "gateway.deployment.no_release",
        f"Release {release.number} is {release.state}: only an old one, which has run, can be gone back to.",
    )


def _busy(service: str, what: str) -> errors.Conflict:
    return errors.Conflict(
        "gateway.deployment.in_progress",
        f"The service {service} {what}: wait until that has ended, or cancel it.",
    )
