"""A deployment as answers show it."""

import dataclasses

from gateway.api.expose import isoformat
from gateway.api.shapes import Time, extended, many, of, shape
from gateway.deploy.model import (
    Deployment,
    Fault,
    LogLine,
    Release,
    ReleaseState,
    Spec,
    Status,
    Step,
    Target,
)

SUMMARY = shape(
    id=str,
    service=str,
    version=str,
    release=int,
    status=Status,
    replicas=int,
    fault=Fault | None,
    request_id=str,
    created_at=Time,
    updated_at=Time,
)
_RELEASE = shape(
    number=int,
    version=str,
    folder=str,
    state=ReleaseState,
    user_id=str,
    request_id=str,
    created_at=Time,
)
_STEP = shape(Step, started_at=Time | None, finished_at=Time | None, request_id=str)
_JUMP = shape(host=str, port=int, user=str, host_keys=list[str])
_WAY_IN = shape(host=str | None, port=int, user=str | None, host_key=str, jump={"anyOf": [_JUMP, of(None)]})
_WHOLE = extended(
    SUMMARY,
    steps=many(_STEP),
    instances=many(shape(Target, url=str | None, ssh={"anyOf": [_WAY_IN, of(None)]})),
    releases=many(_RELEASE),
    spec=Spec,
)
SHOWN = shape(deployment=_WHOLE)
LINE = shape(at=Time, step=str | None, target=int | None, text=str, id=int)


def line_view(line: LogLine) -> dict:
    return {
        "at": isoformat(line.at),
        "step": line.step,
        "target": line.target,
        "text": line.text,
        "id": line.id,
    }


def summary_view(deployment: Deployment) -> dict:
    return {
        "id": deployment.id,
        "service": deployment.spec.service,
        "version": deployment.spec.version,
        "release": deployment.release.number,
        "status": deployment.status,
        "replicas": deployment.spec.replicas,
        "fault": dataclasses.asdict(deployment.fault) if deployment.fault else None,
        "request_id": deployment.request_id,
        "created_at": isoformat(deployment.created_at),
        "updated_at": isoformat(deployment.updated_at),
    }


def view(deployment: Deployment, releases: list[Release]) -> dict:
    spec = deployment.spec
    return {
        **summary_view(deployment),
        "steps": [
            {
                **dataclasses.asdict(step),
                "started_at": isoformat(step.started_at),
                "finished_at": isoformat(step.finished_at),
                "request_id": deployment.request_id,
            }
            for step in deployment.steps
        ],
        "instances": [
            {**dataclasses.asdict(target), "url": _url(spec, target)} for target in deployment.targets
        ],
        "releases": [
            {
                "number": release.number,
                "version": release.spec.version,
                "folder": release.folder,
                "state": release.state,
                "user_id": release.user_id,
                "request_id": release.request_id,
                "created_at": isoformat(release.created_at),
            }
            for release in releases
        ],
        "spec": dataclasses.asdict(spec),
    }


def _url(spec: Spec, target: Target) -> str | None:
    if target.address is None:
        return None
    host = f"[{target.address}]" if ":" in target.address else target.address
    return f"{spec.proto}://{host}:{spec.port}"
