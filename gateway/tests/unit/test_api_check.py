"""A check as bodies write it becomes one of the registry's, and back."""

import pytest

from gateway import errors
from gateway.api import check
from gateway.api.expose import validate
from gateway.registry.model import Check, Kind

ALL = check.of(*Kind)


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ({}, Check(kind=Kind.HTTP)),
        ({"status": 204}, Check(kind=Kind.HTTP, status=(204,))),
        ({"kind": "https", "status": [200, 301]}, Check(kind=Kind.HTTPS, status=(200, 301))),
        ({"kind": "tcp", "interval": 0.5, "timeout": 2}, Check(kind=Kind.TCP, interval=0.5, timeout=2)),
        ({"kind": "ttl"}, Check(kind=Kind.TTL, failures_before_critical=1)),
        ({"kind": "ssh", "command": "true"}, Check(kind=Kind.SSH, command="true")),
        ({"deregister_after": 60}, Check(kind=Kind.HTTP, deregister_after=60)),
    ],
)
def test_what_is_wanted(given, made):
    validate(given, ALL)
    assert check.wanted("check", given, "http") == made
    shown = check.shown(made, "http")
    assert check.wanted("check", shown, "http") == made
    assert given.keys() <= shown.keys()


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"kind": "tcp", "body": "x"}, "check.body"),
        ({"kind": "ssh"}, "check.command"),
        ({"command": "true"}, "check.command"),
        ({"body_pattern": "[a"}, "check.body_pattern"),
        ({"body_pattern": "((a{1,100}){1,100}){1,10}"}, "check.body_pattern"),
        ({"failures_before_warning": 4}, "check.failures_before_warning"),
    ],
)
def test_what_does_not_go_together(given, field):
    validate(given, ALL)
    with pytest.raises(errors.Invalid) as caught:
        check.wanted("check", given, "http")
    assert caught.value.field == field
