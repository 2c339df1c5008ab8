"""The call that a step makes, and what stands where in its answer."""

import time

import requests

from harness.names import filled

SOON = 60  # seconds: three checks that fail, ten seconds apart, and some slack
_MAKING = ("/v1/servers", "/v1/deployments")


def call(context, who, method, path, **kwargs) -> requests.Response:
    """The call, with ``context.answer`` for the steps that follow; what it makes is cleared away later."""
    if method == "POST" and path in _MAKING:
        context.clearing.begin(context.client)
    context.answer = context.client.call(who, method, path, **kwargs)
    if method == "POST" and path == "/v1/servers" and context.answer.ok:
        body = context.answer.json()
        for server in body.get("servers") or [body["server"]]:
            context.clearing.servers.append((context.client, server["id"]))
    return context.answer


def deploy(context, who, wish: dict, headers: dict | None = None) -> None:
    """The answer may be a refusal. ``context.wish`` and the name ``deployment``: what was asked for last."""
    answer = call(context, who, "POST", "/v1/deployments", json={"deployment": wish}, headers=headers)
    context.asker, context.wish = who, wish
    if answer.status_code == 202:
        context.names["deployment"] = answer.json()["deployment"]["id"]


def found(answer, place: str):
    """``flavors.0.id`` in the answer's JSON."""
    value = answer.json()
    for part in place.split("."):
        try:
            value = value[int(part)] if isinstance(value, list) else value[part]
        except (KeyError, IndexError, TypeError, ValueError):
            raise AssertionError(f"the answer has no {place!r}: {answer.text}") from None
    return value


def soon(context, path, is_so) -> None:
    """Asks GET until ``is_so(answer)``."""
    path, deadline = filled(path, context.names), time.monotonic() + SOON
    while not is_so(call(context, "a member", "GET", path)):
        assert time.monotonic() < deadline, f"{path}: {context.answer.status_code} {context.answer.text}"
        time.sleep(0.5)


def attach(context, provider: dict) -> None:
    """By an admin; ``detach_all`` is to be the scenario's cleanup."""
    answer = call(context, "an admin", "POST", "/v1/providers", json={"provider": provider})
    assert answer.status_code == 201, answer.text


def detach_all(context) -> None:
    """With all of their services."""
    deadline = time.monotonic() + SOON
    while there := call(context, "an admin", "GET", "/v1/providers").json()["providers"]:
        for each in there:
            call(context, "an admin", "DELETE", f"/v1/providers/{each['name']}?force=true")
        assert time.monotonic() < deadline, there
        time.sleep(0.1)
