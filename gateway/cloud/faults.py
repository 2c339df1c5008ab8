"""The errors of keystoneauth, openstacksdk and novaclient become ours: here and nowhere else."""

import contextlib
import re
from collections.abc import Callable, Iterator
from typing import TypeVar

from keystoneauth1 import exceptions as keystoneauth
from novaclient import exceptions as novaclient
from openstack import exceptions as openstacksdk

from gateway import errors

_LIBRARIES = (keystoneauth.ClientException, openstacksdk.SDKException, novaclient.ClientException)

# Nova says it with 403 (formerly 413), Neutron with 409; only the words tell it from the rest.
_OVER_QUOTA = re.compile(r"quota exceeded|exceeds? .*quota|maximum number of .* exceeded", re.IGNORECASE)

_RETRY_AFTER = 5

_Thing = TypeVar("_Thing")


@contextlib.contextmanager
def translated(thing: str) -> Iterator[None]:
    """Around calls about ``thing`` (flavor, server …), which names the code: gateway.<thing>.not_found.

    Also a decorator. Raises Invalid, Unauthorized, Forbidden, QuotaExceeded, NotFound, Conflict, Unavailable,
    Timeout or CloudError, with OpenStack's own words.
    """
    try:
        yield
    except _LIBRARIES as error:
        raise translate(error, thing) from error


def found_or_made(find: Callable[[], _Thing | None], make: Callable[[], _Thing]) -> _Thing:
    """What ``find`` finds, else what ``make`` makes: its answer may get lost, and the thing be there all the
    same. Raises what they raise."""
    if (found := find()) is not None:
        return found
    try:
        return make()
    except (errors.Unavailable, errors.Timeout):
        if (found := find()) is not None:
            return found
        raise


def translate(error: Exception, thing: str) -> errors.GatewayError:
    if isinstance(error, keystoneauth.ConnectTimeout):
        return errors.Timeout("gateway.cloud.timeout", "OpenStack did not answer in time.")
    if isinstance(error, keystoneauth.ConnectionError):
        return _busy("gateway.cloud.unreachable", "An OpenStack service cannot be reached; try again.")
    status, words = _status(error), _words(error)
    if status is None:
        return errors.CloudError("gateway.cloud.failed", f"OpenStack cannot be used: {words}")
    if status == 413 or (status in (403, 409) and _OVER_QUOTA.search(words)):
        return errors.QuotaExceeded("gateway.quota.exceeded", words)
    return _by_status(status, words, thing, error)


def _by_status(status: int, words: str, thing: str, error: Exception) -> errors.GatewayError:
    kinds = {
        400: (errors.Invalid, f"gateway.{thing}.invalid"),
        401: (errors.Unauthorized, "gateway.auth.token"),
        403: (errors.Forbidden, f"gateway.{thing}.forbidden"),
        404: (errors.NotFound, f"gateway.{thing}.not_found"),
        409: (errors.Conflict, f"gateway.{thing}.conflict"),
        412: (errors.Conflict, f"gateway.{thing}.conflict"),
        408: (errors.Timeout, "gateway.cloud.timeout"),
        504: (errors.Timeout, "gateway.cloud.timeout"),
    }
    if status in kinds:
        kind, code = kinds[status]
        return kind(code, words)
    if status in (429, 503):
        return _busy("gateway.cloud.busy", "OpenStack is busy; try again.", getattr(error, "retry_after", 0))
    return errors.CloudError("gateway.cloud.failed", f"OpenStack failed (HTTP {status}): {words}")


def _busy(code: str, message: str, seconds: float = 0) -> errors.Unavailable:
    return errors.Unavailable(code, message, retry_after=int(seconds) or _RETRY_AFTER)


def _status(error: Exception) -> int | None:
    for name in ("http_status", "status_code", "code"):  # keystoneauth, openstacksdk, novaclient
        status = getattr(error, name, None)
        if isinstance(status, int):
            return status
    return None


def _words(error: Exception) -> str:
    """What the service said, on one line of at most 500 characters: Glance sends HTML at times."""
    details = getattr(error, "details", None) if isinstance(error, openstacksdk.HttpException) else None
    text = str(details or getattr(error, "message", None) or error)
    text = re.sub(r"<[^>]*>|\(HTTP \d+\)|\(Request-ID: [^)]*\)", " ", text)
    return " ".join(text.split())[:500]
