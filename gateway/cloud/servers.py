"""Servers and their consoles, by python-novaclient."""

import time
import urllib.parse
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from novaclient import exceptions as nova_exceptions
from oslo_utils import uuidutils

from gateway import errors
from gateway.cloud import wire
from gateway.cloud.faults import translated
from gateway.cloud.model import Reference, Server, ServerSpec

#: Queens (2018) and later. From 2.47 on servers carry their flavor's name and sizes.
MICROVERSION = "2.60"

_PAUSE = 0.25  # seconds between looks at a server: one takes Nova 0.02


class Servers:
    """The part of ``Cloud`` that speaks to Nova about servers. Server ids are UUIDs."""

    def servers(self, limit: int | None = None, marker: str | None = None) -> list[Server]:
        """The project's, newest first; ``marker``: the id that the page before ended with.

        Raises Invalid ``gateway.request.marker`` for one that is not there."""
        with self._page_of("server", marker):
            return self._read(self._details(limit, marker))

    def server(self, name_or_id: str) -> Server:
        """Raises NotFound, also for another project's, and Conflict when several have that name."""
        with translated("server"):
            return self._read([self._found_server(name_or_id)])[0]

    @translated("server")
    def find_servers(self, tags: dict[str, str]) -> list[Server]:
        """All of the project's, of any status, whose metadata has every one of ``tags``."""
        every = self._details()
        return [_plain(raw) for raw in every if tags.items() <= raw["metadata"].items()]

    @translated("server")
    def every_server(self) -> list[Server]:
        """All that the session may see: of every project for an admin. Without their flavors' ids."""
        try:
            return [_plain(raw) for raw in self._details(every_project=True)]
        except nova_exceptions.Forbidden:
            return [_plain(raw) for raw in self._details()]

    @translated("server")
    def boot(self, spec: ServerSpec) -> Server:
        """Asks Nova for one server and returns at once: it is in BUILD, without addresses.

        Raises Invalid with Nova's words for what it will not boot, QuotaExceeded."""
        made = self._nova.servers.create(
            spec.name,
            spec.image_id,
            spec.flavor_id,
            nics=[{"net-id": spec.network_id}],
            userdata=spec.user_data,
            key_name=spec.key_name,
            security_groups=list(spec.security_groups),
            meta=spec.tags,
        )
        return Server(
            id=made.id,
            name=spec.name,
            status="BUILD",
            project_id=self.project_id,
            flavor=Reference(spec.flavor_id, None),
            image=Reference(spec.image_id, None),
            key_name=spec.key_name,
            security_groups=spec.security_groups,
            metadata=spec.tags,
        )

    def delete_server(self, id: str) -> None:
        """Missing is fine. Nova deletes on its own time: see ``wait_deleted``."""
        try:
            with translated("server"):
                self._nova.servers.delete(id)
        except errors.NotFound:
            pass

    def wait_active(self, id: str, proceed: Callable[[], None] = lambda: None) -> Server:
        """Looks every quarter of a second until ACTIVE; ``proceed`` is called at each look, and may raise
        to end the waiting.

        Raises CloudError ``gateway.server.error`` with Nova's reason, Timeout after [cloud] boot_timeout,
        NotFound when it is deleted meanwhile."""
        seen = "not to be seen"
        for raw in self._looks(id, self._conf.boot_timeout):
            proceed()
            seen = raw.get("OS-EXT-STS:task_state") or raw["status"]
            if raw["status"] == "ACTIVE":
                return _plain(raw)
            if raw["status"] == "ERROR":
                raise _failed(raw, "could not be booted")
        seconds = self._conf.boot_timeout
        raise errors.Timeout(
            "gateway.server.boot_timeout", f"Server {id} is not ACTIVE after {seconds:g} s but {seen}."
        )

    def wait_deleted(self, ids: Iterable[str]) -> None:
        """Returns when Nova no longer knows any of them; raises CloudError, or Timeout after
        [cloud] delete_timeout in all."""
        deadline = time.monotonic() + self._conf.delete_timeout
        for id in ids:
            self._wait_deleted(id, deadline)

    def _wait_deleted(self, id: str, deadline: float) -> None:
        try:
            for raw in self._looks(id, deadline - time.monotonic()):
                if raw["status"] == "ERROR" and not raw.get("OS-EXT-STS:task_state"):
                    raise _failed(raw, "could not be deleted")
        except errors.NotFound:
            return
        seconds = self._conf.delete_timeout
        raise errors.Timeout(
            "gateway.server.delete_timeout", f"Server {id} is still there after {seconds:g} s."
        )

    @translated("server")
    def statuses(self, ids: Iterable[str]) -> dict[str, str | None]:
        """Nova's status of each; None: it is gone. One listing tells, and only what is not in it is asked for
        by itself: who answers 404 to everything is not Nova."""
        listed = {raw["id"]: raw["status"] for raw in self._details()}
        return {id: listed[id] if id in listed else self._status(id) for id in ids}

    def _status(self, id: str) -> str | None:
        try:
            return self._nova.servers.get(id).status
        except nova_exceptions.NotFound:
            return None

    @translated("server")
    def console_log(self, id: str, lines: int | None = None) -> str:
        """What the guest printed on its serial console, the last ``lines`` of it."""
        return str(self._nova.servers.get_console_output(id, length=lines))

    def _looks(self, id: str, seconds: float) -> Iterator[dict[str, Any]]:
        """The server as it is now, and again, for ``seconds``; a Nova that is away or fails is waited for."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                with translated("server"):
                    raw = self._raw_server(id)
                yield raw
            except (errors.Unavailable, errors.Timeout, errors.CloudError):
                pass
            if time.monotonic() + _PAUSE > deadline:
                return
            time.sleep(_PAUSE)

    def _raw_server(self, id: str) -> dict[str, Any]:
        raw = self._nova.servers.get(id).to_dict()
        if raw["tenant_id"] != self.project_id and not self._every_project:  # an admin sees everyone's
            raise _no_server(id)
        return raw

    def _found_server(self, name_or_id: str) -> dict[str, Any]:
        if uuidutils.is_uuid_like(name_or_id):
            try:
                with translated("server"):
                    return self._raw_server(name_or_id)
            except errors.NotFound:
                pass
        # Nova's filter is a regular expression of its database, so it only narrows the listing
        candidates = [raw for raw in self._details(name=name_or_id) if raw["name"] == name_or_id]
        return self._only("server", name_or_id, candidates)

    def _details(
        self,
        limit: int | None = None,
        marker: str | None = None,
        name: str | None = None,
        every_project: bool = False,
    ) -> list[dict[str, Any]]:
        """Up to ``limit`` of them, over as many pages as Nova makes of it: novaclient's ``list`` drops the
        link to the next page, and would have to ask once more to know that there is none."""
        found: list[dict[str, Any]] = []
        pattern = None if name is None else f"^{_escaped(name)}$"
        while limit is None or len(found) < limit:
            asked = {"name": pattern, "marker": marker, "limit": limit and limit - len(found)}
            asked["all_tenants"] = "true" if every_project else None
            query = urllib.parse.urlencode({key: value for key, value in asked.items() if value is not None})
            _response, body = self._nova.client.get(f"/servers/detail?{query}")
            found += body["servers"]
            if not body["servers"] or not body.get("servers_links"):
                break
            marker = found[-1]["id"]
        return found

    def _read(self, raws: list[dict[str, Any]]) -> list[Server]:
        """With the ids of their flavors and the names of their images, as far as they still exist."""
        if not raws:
            return []
        images = self._image_names({raw["image"]["id"] for raw in raws if raw.get("image")})
        flavors = self._flavor_ids()
        return [wire.server(raw, flavors, images) for raw in raws]

    def _flavor_ids(self) -> wire.FlavorIds:
        key = (self.project_id, "flavors")
        known = self._names.get(key)
        if known is None:
            flavors = self._sdk.compute.flavors()
            known = {wire.flavor_key(f.name, f.vcpus, f.ram, f.disk): f.id for f in flavors}
            self._names.put(key, known)
        return known

    def _image_names(self, ids: set[str]) -> dict[str, str]:
        names = {id: self._image_name(id) for id in ids}
        return {id: name for id, name in names.items() if name}

    def _image_name(self, id: str) -> str:
        """Empty for an image that is gone, and that is remembered, too."""
        key = (self.project_id, "image", id)
        name = self._names.get(key)
        if name is None:
            try:
                with translated("image"):
                    name = self._sdk.image.get_image(id).name or ""
            except errors.NotFound:
                name = ""
            self._names.put(key, name)
        return name


def _plain(raw: dict[str, Any]) -> Server:
    return wire.server(raw, {}, {})


def _escaped(name: str) -> str:
    return "".join(c if c.isalnum() or c in "-_ " else "." for c in name)


def _no_server(name_or_id: str) -> errors.NotFound:
    return errors.NotFound("gateway.server.not_found", f"There is no server {name_or_id}.")


def _failed(raw: dict[str, Any], what: str) -> errors.CloudError:
    reason = raw.get("fault", {}).get("message") or "Nova gives no reason."
    return errors.CloudError("gateway.server.error", f"Server {raw['name']} {what}: {reason}")
