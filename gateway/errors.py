"""Every error the domain raises: a kind (the class) and a permanent code.

The HTTP status of each kind stands in one table, ``gateway.api.expose.STATUS``. Messages are written for
the person who made the call: what is wrong, with which value, and what is allowed.
"""


class GatewayError(Exception):
    """``code`` never changes between releases (``gateway.deployment.not_found``); ``message`` may."""

    title = "Internal error"

    def __init__(
        self,
        code: str,
        message: str,
        *,
        field: str | None = None,
        retry_after: int | None = None,
        extra: dict | None = None,
    ):
        """``extra``: what the answer's body says besides."""
        super().__init__(message)
        self.code = code
        self.message = message
        self.field = field
        self.retry_after = retry_after
        self.extra = extra or {}


class Invalid(GatewayError):
    """The request is wrong as it stands; ``field`` says where."""

    title = "Invalid request"


class Unauthorized(GatewayError):
    title = "Authentication required"


class Forbidden(GatewayError):
    title = "Not allowed"


class QuotaExceeded(GatewayError):
    title = "Quota exceeded"


class NotFound(GatewayError):
    """Also what belongs to another project."""

    title = "Not found"


class Conflict(GatewayError):
    title = "Conflict"


class Gone(GatewayError):
    """It was there, and is no longer."""

    title = "Gone"


class TooLarge(GatewayError):
    title = "Too large"


class Unhealthy(GatewayError):
    """Something was reached and does not work: a health check, a command, a service unit."""

    title = "Unhealthy"


class Unprocessable(GatewayError):
    """Good as it stands, and not to be done now or here. ``code`` is the Open Service Broker API's own."""

    title = "Unprocessable"


class Outdated(GatewayError):
    """In a version that is not spoken here."""

    title = "Version not supported"


class CloudError(GatewayError):
    """OpenStack answered with a fault that is not the caller's."""

    title = "Cloud error"


class ProviderError(GatewayError):
    """A server of the broker's is not reached, or does not do what it is asked for."""

    title = "Provider error"


class Unavailable(GatewayError):
    """Try again after ``retry_after`` seconds."""

    title = "Unavailable"


class Timeout(GatewayError):
    title = "Timed out"
