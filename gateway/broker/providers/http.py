"""Providers that speak the protocol of a standalone service registry: JSON over HTTP, told of in
doc/source/broker.rst.

A service has one set of credentials there, which all of its bindings share.
"""

import time
from collections.abc import Mapping
from typing import Any

from gateway.broker.model import Binding, Offers, Plan, Service, Status, on_server
from gateway.broker.providers.call import Answer, call, credentials, not_there
from gateway.broker.providers.login import Login

_GONE = (404, 410)


class Http:
    def __init__(self, login: Login):
        self._login = login
        self._told: Mapping[str, Any] | None = None  # credentials, by ensure's answer

    def check(self, offers: Offers) -> Offers:
        """The protocol asks for no answer to GET: any will do but that of a gate that is closed."""
        answer = call(self._login, "GET")
        if answer.status in (401, 403) or answer.status >= 500:
            raise self._login.refused(answer)
        return offers

    def ensure(self, service: Service, plan: Plan) -> None:
        if service.status is not Status.UPDATING:
            self._told = self._made(service)
            return
        answer = self._successful(call(self._login, "PUT", _path(service), body={"plan": service.plan}))
        self._told = _credentials_in(answer)

    def bind(self, service: Service, binding: Binding, plan: Plan) -> Mapping[str, Any]:
        return self._told or binding.credentials or self._made(service)

    def unbind(self, service: Service, binding: Binding, plan: Plan) -> None:
        """They go with the service."""

    def remove(self, service: Service, plan: Plan) -> None:
        answer = call(self._login, "DELETE", _path(service))
        if answer.status in _GONE:
            not_there(self._login, service, time.time())
        elif not answer.is_success:
            raise self._login.refused(answer)

    def _made(self, service: Service) -> Mapping[str, Any]:
        """Also where it is there already: by the name a provider knows that it is asked again."""
        name = on_server(service.id)
        answer = call(
            self._login,
            "POST",
            body={"plan": service.plan, "name": name},
            headers={"Idempotency-Key": name},
        )
        return credentials(self._login, _credentials_in(self._successful(answer)))

    def _successful(self, answer: Answer) -> Answer:
        if not answer.is_success:
            raise self._login.refused(answer)
        if answer.body is None:
            raise self._login.nonsense("its answer is no JSON object")
        if answer.body.get("status", 200) not in range(200, 300):
            raise self._login.refused(f"{answer}, with status {answer.body['status']!r:.20}")
        return answer


def _path(service: Service) -> str:
    return f"/{on_server(service.id)}"


def _credentials_in(answer: Answer) -> Any:
    return answer.body.get("creds") or answer.body.get("credentials")
