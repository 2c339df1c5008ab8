"""Any Open Service Broker, by version 2.17 of its specification, which
https://github.com/openservicebrokerapi/servicebroker has.

What such a broker is asked for again it answers as the first time. What it makes asynchronously is asked
after when it says so; ``operation`` is then what is under way, a colon, and what the broker calls that.
"""

import base64
import json
import time
import uuid
from collections.abc import Mapping
from typing import Any

from gateway import errors
from gateway.broker.model import Binding, Offers, Pending, Plan, Service, Status, on_server
from gateway.broker.providers import catalogue
from gateway.broker.providers.call import Answer, call, credentials, not_there
from gateway.broker.providers.login import Login

_VERSION = "2.17"
_IDS = uuid.UUID("5f0d4f6e-6d0c-4d0c-9a55-3f3c3d8b1c57")  # what their ids are made of, besides their names
_MOST_CALLED = 10_000  # characters of an operation
_ASK_AGAIN = 5.0  # seconds
_INCOMPLETE = {"accepts_incomplete": "true"}


class OpenServiceBroker:
    def __init__(self, login: Login):
        self._login = login

    def check(self, offers: Offers) -> Offers:
        """Its catalogue, whatever was offered before."""
        answer = call(self._login, "GET", "/v2/catalog", headers=_headers())
        if answer.status != 200:
            raise self._login.refused(answer)
        try:
            return catalogue.offers(answer.body)
        except ValueError as error:
            raise self._login.nonsense(f"in its catalogue {error}") from error

    def ensure(self, service: Service, plan: Plan) -> None:
        if service.status is not Status.UPDATING:
            self._do("provision", service, service, plan, "PUT", _wanted(service, plan))
        elif service.in_force != service.plan:
            self._do("update", service, service, plan, "PATCH", _ids(plan))

    def bind(self, service: Service, binding: Binding, plan: Plan) -> Mapping[str, Any]:
        if binding.credentials is not None:  # nothing about it changes
            return binding.credentials
        wanted = {**_ids(plan), "context": _context(service)}
        answer = self._do("bind", service, binding, plan, "PUT", wanted)
        if answer is None:  # it has been made meanwhile
            answer = self._call(service, "GET", _path(service, binding), query=_ids(plan))
            if answer.status != 200:
                raise self._login.refused(answer)
        return credentials(self._login, (answer.body or {}).get("credentials"))

    def unbind(self, service: Service, binding: Binding, plan: Plan) -> None:
        if not self._undo("unbind", service, binding, plan):
            not_there(self._login, binding, time.time())

    def remove(self, service: Service, plan: Plan) -> None:
        """Its bindings first, as the specification says; the broker may not know them, nor it."""
        for binding in service.bindings:
            if binding.status is not Status.FAILED:
                self._undo("unbind", service, binding, plan)
        if not self._undo("deprovision", service, service, plan):
            not_there(self._login, service, time.time())

    def _do(
        self, what: str, service: Service, about: Service | Binding, plan: Plan, method: str, wanted: dict
    ) -> Answer | None:
        """None where it was begun before and is done now. Raises Pending while it is not."""
        if self._was_begun(what, about):
            self._look(what, service, about, plan)
            return None
        answer = self._call(service, method, _path(service, about), body=wanted, query=_INCOMPLETE)
        if answer.status in (200, 201):
            if answer.body is None:
                raise self._login.nonsense("its answer is no JSON object")
            return answer
        raise self._begun(what, about, answer)

    def _undo(self, what: str, service: Service, about: Service | Binding, plan: Plan) -> bool:
        """Whether it was there. Raises Pending while it is being done."""
        if self._was_begun(what, about):
            self._look(what, service, about, plan)
            return True
        query = _INCOMPLETE | _ids(plan)
        answer = self._call(service, "DELETE", _path(service, about), query=query)
        was_never_made = service.status is Status.REVERTING and isinstance(about, Binding)
        if answer.status == 410 or (answer.status in (400, 404) and was_never_made):
            return False
        if answer.status != 200:
            raise self._begun(what, about, answer)
        return True

    def _was_begun(self, what: str, about: Service | Binding) -> bool:
        return (about.operation or "").startswith(f"{what}:")

    def _begun(self, what: str, about: Service | Binding, answer: Answer) -> Exception:
        """What is to be raised for it."""
        called = (answer.body or {}).get("operation") or ""
        if answer.status == 202 and isinstance(called, str) and len(called) <= _MOST_CALLED:
            return Pending(about, f"{what}:{called}", answer.retry_after)
        if answer.status == 422 and (answer.body or {}).get("error") == "ConcurrencyError":
            return Pending(about, None, answer.retry_after)  # not begun, and nothing went wrong
        return self._login.refused(answer)

    def _look(self, what: str, service: Service, about: Service | Binding, plan: Plan) -> None:
        """Whether it is done. Raises Pending while it is not, also where the broker does not say."""
        called, ids = about.operation.partition(":")[2], _ids(plan)
        if what == "update":
            del ids["plan_id"]  # it would be the one before
        query = ids | ({"operation": called} if called else {})
        try:
            answer = self._call(service, "GET", f"{_path(service, about)}/last_operation", query=query)
        except (errors.Timeout, errors.ProviderError) as error:
            raise Pending(about, about.operation, _ASK_AGAIN) from error
        if answer.status == 410 and what in ("unbind", "deprovision"):
            return
        state = (answer.body or {}).get("state") if answer.status == 200 else None
        if state == "failed":
            raise self._login.refused(answer)
        if state != "succeeded":
            raise Pending(about, about.operation, answer.retry_after)

    def _call(self, service: Service, method: str, path: str, **asked) -> Answer:
        return call(self._login, method, path, headers=_headers(service), **asked)


def _ids(plan: Plan) -> dict[str, str]:
    return {name: plan.settings[name] for name in ("service_id", "plan_id")}


def _wanted(service: Service, plan: Plan) -> dict[str, Any]:
    return {
        **_ids(plan),
        "context": _context(service),
        "organization_guid": service.project_id,
        "space_guid": service.project_id,
    }


def _context(service: Service) -> dict[str, str]:
    return {
        "platform": "openstack",
        "project_id": service.project_id,
        "organization_guid": service.project_id,
        "space_guid": service.project_id,
        "instance_name": service.name,
    }


def _headers(service: Service | None = None) -> dict[str, str]:
    headers = {
        "X-Broker-API-Version": _VERSION,
        "X-Broker-API-Request-Identity": str(uuid.uuid4()),
    }
    if service is not None:
        who = {"user_id": service.user_id, "project_id": service.project_id}
        encoded = base64.b64encode(json.dumps(who).encode()).decode()
        headers["X-Broker-API-Originating-Identity"] = f"openstack {encoded}"
    return headers


def _path(service: Service, about: Service | Binding) -> str:
    """Their ids are always the same: so a broker that is asked again never makes a second one."""
    path = f"/v2/service_instances/{uuid.uuid5(_IDS, on_server(service.id))}"
    return path if isinstance(about, Service) else f"{path}/service_bindings/{uuid.uuid5(_IDS, about.user)}"
