"""Deployments: services onto servers."""

from collections.abc import Iterator
from typing import BinaryIO

from gateway.client.http import PATIENCE, Http, url_path


class Deployments(Http):
    """The part of ``Gateway`` that has them."""

    def create_artifact(self, file: BinaryIO) -> dict:
        """Uploads a tar.gz, streamed from a file that is open for reading: {"id", "sha256", "size"}."""
        # A second try after 401 would send what is left of the file: nothing.
        return self._json(
            "POST",
            "/v1/artifacts",
            data=file,
            headers={"Content-Type": "application/gzip"},
            allow_reauth=False,
        )["artifact"]

    def deployments(self) -> list[dict]:
        """The project's, without their steps."""
        return list(self._pages("/v1/deployments", "deployments"))

    def deployment(self, deployment_id: str) -> dict:
        return self._json("GET", url_path("/v1/deployments", deployment_id))["deployment"]

    def create_deployment(self, deployment: dict, idempotency_key: str | None = None) -> dict:
        """Asks for it, or for the next release of a service that runs; the daemon goes on by itself, and
        ``deployment`` tells how far it is. With the same key and wish, a call that is made again is one."""
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        body = {"deployment": deployment}
        return self._json("POST", "/v1/deployments", json=body, headers=headers)["deployment"]

    def cancel_deployment(self, deployment_id: str) -> dict:
        """Takes back what is under way."""
        return self._json("POST", url_path("/v1/deployments", deployment_id, "cancel"))["deployment"]

    def roll_back_deployment(self, deployment_id: str, release: int | None = None) -> dict:
        """To an earlier release, by its number, or to the one before."""
        body = {} if release is None else {"release": release}
        return self._json("POST", url_path("/v1/deployments", deployment_id, "rollback"), json=body)[
            "deployment"
        ]

    def delete_deployment(self, deployment_id: str) -> None:
        """Undeploys; ``deployment`` raises a 404 once all is gone."""
        self._call("DELETE", url_path("/v1/deployments", deployment_id))

    def deployment_log(self, deployment_id: str) -> list[dict]:
        """[{"at", "step", "target", "text", "id"}], oldest first."""
        return list(self._pages(url_path("/v1/deployments", deployment_id) + "/log", "log"))

    def follow_deployment_log(
        self, deployment_id: str, after: int | None = None, patience: float = PATIENCE
    ) -> Iterator[tuple[str, dict]]:
        """(event, data) as they happen, from the beginning or what came ``after`` that id, until the
        deployment has ended: "log" with a line's {"id", "at", "step", "target", "text"}, "step" {"id", "at",
        "step", "target", "state", "detail"}, "status" {"id", "at", "status"}, and last "end" {"id", "status",
        "fault"}, whose status is "deleted" where nothing is left. A connection that breaks is made again;
        ApiError says why that has not been possible for ``patience`` seconds."""
        path = url_path("/v1/deployments", deployment_id) + "/log"
        return self._events(path, {"follow": "true"}, "end", after, patience)

    def journal(
        self, deployment_id: str, instance: int | None = None, lines: int | None = None
    ) -> list[dict]:
        """What a service printed last on the server of one of its instances, by number, or of the first:
        [{"at", "text", "id"}], oldest first."""
        path = url_path("/v1/deployments", deployment_id, "journal")
        return self._json("GET", path, params=_of_journal(instance, lines))["journal"]

    def follow_journal(
        self,
        deployment_id: str,
        instance: int | None = None,
        lines: int | None = None,
        patience: float = PATIENCE,
    ) -> Iterator[dict]:
        """The same, and what comes then, for ever. A connection that breaks is made again; ApiError says why
        that has not been possible for ``patience`` seconds."""
        path = url_path("/v1/deployments", deployment_id, "journal")
        query = {**_of_journal(instance, lines), "follow": "true"}
        for _, entry in self._events(path, query, None, None, patience):
            yield entry


def _of_journal(instance: int | None, lines: int | None) -> dict:
    query = {"instance": instance, "lines": lines}
    return {name: value for name, value in query.items() if value is not None}
