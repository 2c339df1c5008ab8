"""Two clients that have a service made, log in to it, and have it deleted; whatever happens meanwhile they go
on as the API that they speak says."""

import time
from collections import Counter
from collections.abc import Callable

import requests
from harness.client import Client
from harness.platform import Platform

_ENDS_IN = 300  # seconds, the gateway's restarts among them
_PAUSE = 0.2


class Trouble:
    """What the clients met and got over."""

    def __init__(self):
        self.met: Counter[str] = Counter()

    def until(self, what: str, attempt: Callable[[], bool]) -> None:
        """Again and again: ``attempt`` says whether it is done. No answer is no answer."""
        deadline = time.monotonic() + _ENDS_IN
        while True:
            try:
                if attempt():
                    return
            except requests.RequestException:
                self.met["no answer"] += 1
            assert time.monotonic() < deadline, f"{what}: not done within {_ENDS_IN} s"
            time.sleep(_PAUSE)


class OfThePlatform:
    """Through /osb/v2: a PUT is sent again as it was, 202 is polled, and what failed is deleted by its id
    before it is asked for once more."""

    front = "/osb/v2"

    def __init__(self, platform: Platform, trouble: Trouble, name: str, type: str):
        self._platform, self._trouble, self._type, self._id = platform, trouble, type, f"i-{name}"
        self._path = f"/osb/v2/service_instances/{self._id}"
        self._accepts = {"params": {"accepts_incomplete": "true"}}

    def provision(self) -> dict[str, str]:
        self._trouble.until(f"provision {self._id}", self._is_provisioned)
        seen: dict[str, str] = {}
        self._trouble.until(f"bind {self._id}", lambda: self._is_bound(seen))
        return seen

    def deprovision(self) -> None:
        self._trouble.until(f"deprovision {self._id}", self._is_gone)

    def _is_provisioned(self) -> bool:
        answer = self._platform.provision(self._id, self._type, **self._accepts)
        if answer.status_code == 202:
            state = self._platform.polled(self._path, answer.json()["operation"])
            return state == "succeeded" or self._has_failed(f"202, then {state}")
        return answer.status_code in (200, 201) or self._has_failed(answer)

    def _has_failed(self, answer: requests.Response | str) -> bool:
        """False: it is to be asked for again."""
        if isinstance(answer, str) or answer.status_code >= 500:
            self._trouble.met[answer if isinstance(answer, str) else str(answer.status_code)] += 1
            self._trouble.until(f"clean up {self._id}", self._is_gone)  # orphan mitigation
            return False
        return self._is_concurrent(answer)

    def _is_concurrent(self, answer: requests.Response) -> bool:
        """False, where that is all; else it is a fault of ours."""
        assert answer.status_code == 422 or answer.status_code >= 500, answer.text
        self._trouble.met[f"{answer.status_code} {answer.json()['error']}"] += 1
        return False

    def _is_bound(self, seen: dict[str, str]) -> bool:
        answer = self._platform.bind(self._id, "b-1", self._type, **self._accepts)
        if answer.status_code == 202:
            self._platform.polled(f"{self._path}/service_bindings/b-1", answer.json()["operation"])
            return False  # the same PUT tells the credentials, or what went wrong
        if answer.status_code not in (200, 201):
            return self._is_concurrent(answer)
        found = answer.json()["credentials"]
        seen |= {name: value for name, value in found.items() if name.isupper()}
        return True

    def _is_gone(self) -> bool:
        answer = self._platform.deprovision(self._id, self._type, **self._accepts)
        if answer.status_code == 202:
            return self._platform.polled(self._path, answer.json()["operation"]) == "gone"
        return answer.status_code in (200, 410) or self._is_concurrent(answer)


class OfTheProject:
    """Through /v1/services: a POST is sent again under its name, 202 is looked at again."""

    front = "/v1/services"

    def __init__(self, client: Client, trouble: Trouble, name: str, type: str):
        self._client, self._trouble = client, trouble
        self._wanted = {"service": {"type": type, "plan": "free", "name": f"s-{name}"}}
        self._path = f"/v1/services/s-{name}"

    def provision(self) -> dict[str, str]:
        seen: dict[str, str] = {}
        self._trouble.until(f"POST {self._path}", lambda: self._is_made(seen))
        return seen

    def deprovision(self) -> None:
        self._trouble.until(f"DELETE {self._path}", self._is_gone)

    def _is_made(self, seen: dict[str, str]) -> bool:
        answer = self._client.call("a member", "POST", "/v1/services", json=self._wanted)
        if answer.status_code in (200, 201):
            seen |= answer.json()["service"]["credentials"]
            return True
        assert answer.status_code in (202, 409) or answer.status_code >= 500, answer.text
        self._trouble.met[str(answer.status_code)] += 1
        return False

    def _is_gone(self) -> bool:
        answer = self._client.call("a member", "DELETE", self._path)
        assert answer.status_code in (202, 204, 404) or answer.status_code >= 500, answer.text
        if answer.status_code not in (204, 404):
            self._trouble.met[str(answer.status_code)] += 1
        return answer.status_code in (204, 404)
