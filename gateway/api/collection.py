"""What the collections of /v1 have in common: who answers a URL, pages of a list, references in bodies."""

import concurrent.futures
import operator
import urllib.parse
from collections.abc import Callable
from typing import Any

import pecan
import webob.exc
from oslo_config import cfg

from gateway import errors

#: The query parameters of a list.
PAGE = {
    "limit": {"type": "integer", "minimum": 1, "error": "must be a whole number from 1."},
    "marker": {"type": "string", "minLength": 1, "error": "must be the id that the page before ended with."},
}

#: What a call that asks OpenStack may raise.
CLOUD = (errors.CloudError, errors.Unavailable, errors.Timeout)
#: So does one that is asked for by a name, which several may have.
NAMED = (*CLOUD, errors.Conflict)


class Collection:
    """Routes /v1/<collection> and its members: ``on_collection`` and ``on_member`` say which method of the
    controller answers which HTTP method there; 405 with Allow for others, 404 for anything else below.

    Pecan's own RestController would also take ``?_method=``, and walks from URLs into attributes."""

    on_collection: dict[str, str] = {}
    on_member: dict[str, str] = {}
    #: Below a member: {"log": {"GET": "get_log"}}.
    on_part: dict[str, dict[str, str]] = {}
    #: A member of such a part, /v1/<collection>/<id>/<part>/<id>.
    on_part_member: dict[str, dict[str, str]] = {}

    @pecan.expose()
    def _route(self, args: list[str], request=None) -> tuple[Callable, list[str]]:
        segments = args[:-1] if args and args[-1] == "" else args
        methods = self._methods(segments)
        if not methods or "" in segments:
            raise webob.exc.HTTPNotFound()
        method = "GET" if request.method == "HEAD" else request.method
        if method not in methods:
            raise webob.exc.HTTPMethodNotAllowed(headers={"Allow": ", ".join(sorted(methods))})
        return getattr(self, methods[method]), segments[::2]

    def _methods(self, segments: list[str]) -> dict[str, str]:
        match segments:
            case [_, part]:
                return self.on_part.get(part, {})
            case [_, part, _]:
                return self.on_part_member.get(part, {})
        return {0: self.on_collection, 1: self.on_member}.get(len(segments), {})


def page(
    name: str,
    conf: cfg.ConfigOpts,
    fetch: Callable[..., list[Any]],
    view: Callable[[Any], dict],
    limit: int | None,
    marker: str | None,
    mark: Callable[[Any], str] = operator.attrgetter("id"),
) -> dict:
    """One page as Nova writes it: {"flavors": […], "flavors_links": [{"rel": "next", "href": …}]}; the link
    only where there is more: to the same URL, from the ``mark`` of the last that is shown. ``fetch`` is asked
    for one more than is shown, to know."""
    most = min(limit or conf.api.max_limit, conf.api.max_limit)
    found = fetch(limit=most + 1, marker=marker)
    answer: dict[str, Any] = {name: [view(each) for each in found[:most]]}
    if len(found) > most:
        asked = dict(pecan.request.GET)
        query = urllib.parse.urlencode({**asked, "limit": most, "marker": mark(found[most - 1])})
        base = (conf.api.public_url or pecan.request.host_url).rstrip("/")
        answer[f"{name}_links"] = [{"rel": "next", "href": f"{base}{pecan.request.path}?{query}"}]
    return answer


def side_by_side(*calls: Callable[[], Any]) -> list[Any]:
    """Their answers, in order, made in threads; raises what the first of them that failed raised."""
    with concurrent.futures.ThreadPoolExecutor(len(calls)) as pool:
        return [future.result() for future in [pool.submit(call) for call in calls]]


def referred(field: str, find: Callable[[str], Any], name_or_id: str) -> Any:
    """What a body names: if it is not there, the body is wrong (Invalid), not the URL."""
    try:
        return find(name_or_id)
    except errors.NotFound as error:
        raise errors.Invalid(error.code, f"{field}: {error.message}", field=field) from error
