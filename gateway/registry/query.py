"""What a search for instances asks for. Pure.

Versions are read as the packaging library does (PEP 440, which takes 1.2, v1.2.3, 1.2.3-rc1 and 1.2.3+build);
one that is something else is found by itself alone.
"""

import dataclasses
import functools
from collections.abc import Set

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from gateway import errors
from gateway.registry.model import Instance, Status


@dataclasses.dataclass(frozen=True)
class Query:
    """None asks for nothing. ``version``: that very text, or a range: ~1.2 is any 1.2.x, ~1.2.3 is any 1.2.x
    from 1.2.3 on. Raises Invalid for a range that is none."""

    type: str | None = None
    version: str | None = None
    health: Status | None = None
    tag: str | None = None

    def __post_init__(self):
        if self.version is not None and self.version.startswith("~"):
            version_range(self.version)

    @functools.cached_property
    def facts(self) -> Set[tuple[str, str]]:
        """What some instance of a type must have (``ServiceType.facts``) for any to be found."""
        asked = {"health": self.health, "tag": self.tag}
        if self.version is not None and not self.version.startswith("~"):
            asked["version"] = self.version
        return frozenset((name, value) for name, value in asked.items() if value is not None)

    def matches(self, instance: Instance) -> bool:
        return (
            (self.type is None or instance.type == self.type)
            and (self.version is None or is_version(instance.version, self.version))
            and (self.health is None or instance.health.status == self.health)
            and (self.tag is None or self.tag in instance.tags)
        )


def is_version(version: str, wanted: str) -> bool:
    if not wanted.startswith("~"):
        return version == wanted
    parsed = _parsed(version)
    return parsed is not None and version_range(wanted).contains(parsed, prereleases=True)


@functools.lru_cache(1024)
def version_range(text: str) -> SpecifierSet:
    """Of ~1, ~1.2 or ~1.2.3. Raises Invalid."""
    base = text.removeprefix("~")
    try:
        parts = len(Version(base).release)
        return SpecifierSet(f"~={base}" if parts > 2 else f"=={base}.*")
    except (InvalidVersion, InvalidSpecifier) as error:
        raise errors.Invalid(
            "gateway.registry.version", f"version: {text!r} is not a range such as ~1.2.", field="version"
        ) from error


@functools.lru_cache(4096)
def _parsed(version: str) -> Version | None:
    try:
        return Version(version)
    except InvalidVersion:
        return None
