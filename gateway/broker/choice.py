"""Which provider a service is made on. Pure."""

from collections.abc import Iterable, Mapping

from gateway import errors
from gateway.broker.model import Provider, Status
from gateway.registry.model import Health
from gateway.registry.model import Status as HealthStatus

_OUT = (HealthStatus.CRITICAL, HealthStatus.MAINTENANCE)
_RETRY_AFTER = 30  # seconds


def chosen(
    providers: Iterable[Provider],
    counts: Mapping[str, int],
    health: Mapping[str, Health],
    type: str,
    plan: str,
    name: str | None = None,
) -> Provider:
    """The one of that ``name``, or of those that offer the plan, those that pass their checks first, the one
    with the fewest services (``counts``, by provider, as ``health``, where that is known). Raises Invalid,
    which says what there is, and Unavailable where all that might do it fail."""
    there = [each for each in providers if each.status is Status.READY]
    of_type = [each for each in there if type in each.offers]
    if not of_type:
        raise _invalid(
            "type",
            f"nothing provides {type}; there is {_listed(offer for each in there for offer in each.offers)}",
        )
    asked = [each for each in of_type if name in (None, each.name)]
    if not asked:
        named = _listed(each.name for each in of_type)
        raise _invalid("provider", f"no provider {name} has services of type {type}; there is {named}")
    offering = [each for each in asked if plan in _offered(each, type)]
    if not offering:
        plans = _listed(offered for each in asked for offered in _offered(each, type))
        raise _invalid("plan", f"there is no plan {plan} of {name or type}; there is {plans}")
    status = {each.name: health.get(each.name, Health()).status for each in offering}
    working = [each for each in offering if status[each.name] not in _OUT]
    if not working:
        raise _failing(offering[0], health[offering[0].name])
    return min(
        working,
        key=lambda each: (status[each.name] is not HealthStatus.PASSING, counts.get(each.name, 0), each.name),
    )


def _failing(provider: Provider, health: Health) -> errors.Unavailable:
    why = "is in maintenance" if health.status is HealthStatus.MAINTENANCE else f"fails: {health.output}"
    return errors.Unavailable(
        "gateway.provider.failing", f"Provider {provider.name} {why}", retry_after=_RETRY_AFTER
    )


def _offered(provider: Provider, type: str) -> list[str]:
    return [name for name, plan in provider.offers[type].items() if plan.is_offered]


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(set(names))) or "none"


def _invalid(field: str, why: str) -> errors.Invalid:
    return errors.Invalid(f"gateway.service.{field}", f"{field}: {why}.", field=f"service.{field}")
