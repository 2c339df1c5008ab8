"""The Python client: ``from gateway.client import Gateway``, one method per endpoint of ``gateway.api.root``.

It takes and gives the plain dicts of the API, and raises one exception: ApiError. Nothing of the daemon is
imported.
"""

from gateway.client.deployments import Deployments
from gateway.client.http import SERVICE_TYPE, ApiError
from gateway.client.registry import Registry
from gateway.client.servers import Servers
from gateway.client.services import Services

__all__ = ["SERVICE_TYPE", "ApiError", "Gateway"]


class Gateway(Servers, Deployments, Services, Registry):
    """The API over a keystoneauth session, whose project and roles count.

    ``endpoint`` is the gateway's URL (http://127.0.0.1:8790); without it Keystone's catalogue is asked for
    ``service_type`` in ``region_name`` and ``interface``. An Adapter that knows all this may be
    given in place of a session. Lists come whole: their pages are followed. Safe to share between threads as
    far as the session is.
    """

    def versions(self) -> list[dict]:
        return self._json("GET", "/")["versions"]

    def version(self) -> dict:
        """{"version": {…}, "resources": […]}"""
        return self._json("GET", "/v1")

    def openapi(self) -> dict:
        """The API's description, as OpenAPI."""
        return self._json("GET", "/v1/openapi.json")

    def is_healthy(self) -> bool:
        """Whether the daemon says that it is well; raises ApiError where it does not answer at all."""
        return self._send("GET", "/healthcheck").status_code == 200
