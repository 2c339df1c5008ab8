"""Providers in the registry: each is an instance in the project of who attached it, and says how it is.

Its check is the driver's own, by the manager's login and from where the services are made; the registry takes
what it came to as heartbeats. So a provider is as healthy as the broker finds it, and no check of the
registry's connects to where none may.
"""

from collections.abc import Iterable, Mapping

from oslo_config import cfg

from gateway import errors
from gateway.broker.model import Provider
from gateway.registry.model import Check, Health, Instance, Kind, Registration
from gateway.registry.registry import Registry

_MISSED = 3  # checks, after which it is taken for failed as well
_FAILURES = 2  # in a row, after which nothing is made there


class Roll:
    def __init__(self, conf: cfg.ConfigOpts, registry: Registry):
        self._conf = conf.broker
        self._registry = registry

    def health(self, providers: Iterable[Provider]) -> Mapping[str, Health]:
        """By their names, of those that are there."""
        return {each.name: found.health for each in providers if (found := self._of(each)) is not None}

    def enter(self, provider: Provider) -> Instance | None:
        """As it is now; it passes at first, where it was not there before. None where it is
        nowhere, or has no project: those that were attached before there was a roll."""
        if not (provider.project_id and provider.url):
            return None
        known = self._of(provider)
        if known is not None and (known.host, known.port) == (provider.host, provider.port):
            return known
        self.leave(provider)
        return self._registry.register(provider.project_id, self._registration(provider), verify=False)

    def tell(self, provider: Provider, ok: bool, output: str) -> None:
        """What a check came to."""
        instance = self.enter(provider)
        if instance is not None:
            self._registry.beat(*instance.key, ok, output)

    def leave(self, provider: Provider) -> None:
        """Fine where it is not there."""
        known = self._of(provider)
        if known is not None:
            self._registry.deregister(*known.key)

    def keep(self, providers: Iterable[Provider]) -> None:
        """No others than these."""
        names = {provider.name for provider in providers}
        for instance in self._registry.of_providers():
            if instance.provider not in names:
                self._registry.deregister(*instance.key)

    def _of(self, provider: Provider) -> Instance | None:
        try:
            found = self._registry.instances(provider.project_id, _type(provider))
        except errors.NotFound:
            return None
        return next((each for each in found if each.provider == provider.name), None)

    def _registration(self, provider: Provider) -> Registration:
        interval = max(1.0, self._conf.check_interval)
        return Registration(
            type=_type(provider),
            proto="https" if provider.url.startswith("https:") else "http",
            host=provider.host,
            port=provider.port,
            check=Check(kind=Kind.TTL, interval=_MISSED * interval, failures_before_critical=_FAILURES),
            tags=(provider.type,),
            provider=provider.name,
        )


def _type(provider: Provider) -> str:
    return f"provider-{provider.name}"
