"""How a provider is reached, and what its faults are called."""

import dataclasses
import socket
import ssl
import urllib.parse

from gateway import errors
from gateway.broker.model import Provider


class _OfHost(ssl.SSLContext):
    """Certificates must be the provider's, though drivers connect to an address."""

    host = ""

    def wrap_socket(self, sock: socket.socket, *args, **options) -> ssl.SSLSocket:
        return super().wrap_socket(sock, *args, **options | {"server_hostname": self.host})


#: The provider has answered, and does not do it.
REFUSED = "gateway.provider.refused"


@dataclasses.dataclass(frozen=True)
class Login:
    """``address`` is what its host was resolved to; ``timeout``: seconds for each answer."""

    provider: Provider
    address: str
    timeout: float

    def for_client(self, user: str, password: str, path: str) -> str:
        """The URL by which one logs in who is not the manager."""
        place = urllib.parse.urlsplit(self.provider.url)
        return f"{place.scheme}://{user}:{password}@{place.netloc}/{path}"

    @property
    def _named(self) -> str:
        return f"Provider {self.provider.name} ({self.address} port {self.provider.port})"

    def unreachable(self, why: object) -> errors.ProviderError:
        return errors.ProviderError(
            "gateway.provider.unreachable",
            f"{self._named} is not reached: {_told(why)}.",
        )

    def late(self) -> errors.Timeout:
        return errors.Timeout(
            "gateway.provider.timeout",
            f"{self._named} did not answer within {self.timeout:g} s.",
        )

    def refused(self, why: object) -> errors.ProviderError:
        """``why`` must not repeat what was sent: there are passwords in it."""
        return errors.ProviderError(
            REFUSED,
            f"Provider {self.provider.name} refused what it was asked for: {_told(why)}.",
        )

    def nonsense(self, why: object) -> errors.ProviderError:
        return errors.ProviderError(
            "gateway.provider.answer", f"{self._named} is not understood: {_told(why)}."
        )

    @property
    def uses_tls(self) -> bool:
        """A server of databases does where it is said whose certificates it has."""
        return self.provider.ca is not None

    def tls(self) -> ssl.SSLContext:
        """Raises Invalid for certificates that are none."""
        context = _OfHost(ssl.PROTOCOL_TLS_CLIENT)
        context.host = self.provider.host
        if self.provider.ca is None:
            context.load_default_certs()
            return context
        try:
            context.load_verify_locations(cadata=self.provider.ca)
            return context
        except (ssl.SSLError, ValueError) as error:
            raise errors.Invalid(
                "gateway.provider.ca", f"ca: these are no certificates in PEM: {error}.", field="provider.ca"
            ) from error


def _told(why: object) -> str:
    return str(why).rstrip(".")
