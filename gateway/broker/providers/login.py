"""How a server is reached, and what its faults are called."""

import dataclasses

from gateway import errors


@dataclasses.dataclass(frozen=True)
class Login:
    """``address`` is what the provider's host was resolved to; ``timeout``: seconds for each answer."""

    provider: str
    address: str
    port: int
    username: str
    password: str = dataclasses.field(repr=False)
    timeout: float

    def unreachable(self, why: object) -> errors.ProviderError:
        return errors.ProviderError(
            "gateway.provider.unreachable",
            f"Provider {self.provider} ({self.address} port {self.port}) is not reached: {_told(why)}.",
        )

    def late(self) -> errors.Timeout:
        return errors.Timeout(
            "gateway.provider.timeout",
            f"Provider {self.provider} ({self.address} port {self.port}) did not answer within "
            f"{self.timeout:g} s.",
        )

    def refused(self, why: object) -> errors.ProviderError:
        """``why`` must not repeat what was sent: there are passwords in it."""
        return errors.ProviderError(
            "gateway.provider.refused",
            f"Provider {self.provider} refused what it was asked for: {_told(why)}.",
        )


def _told(why: object) -> str:
    return str(why).rstrip(".")
