"""journalctl's lines as entries."""

import json

import pytest

from gateway.deploy import journal, recipe

_AT = "1795451104000001"
_LAYOUT = recipe.Layout("/opt/gateway", "hello", "1.0.0-1")


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ({"__REALTIME_TIMESTAMP": _AT, "MESSAGE": "GET / 200"}, "GET / 200"),
        ({"__REALTIME_TIMESTAMP": _AT, "MESSAGE": [103, 111, 255]}, "go\N{REPLACEMENT CHARACTER}"),
        ({"__REALTIME_TIMESTAMP": _AT, "MESSAGE": "\x1b[31mred\x1b[0m"}, "red"),
        ({"__REALTIME_TIMESTAMP": _AT, "MESSAGE": None}, ""),
    ],
)
def test_an_entry(line, text):
    assert journal.parse(json.dumps(line)) == journal.Entry(int(_AT), text)


@pytest.mark.parametrize("line", ["", "-- No entries --", "[]", "{}", '{"__REALTIME_TIMESTAMP": "x"}'])
def test_what_is_no_entry(line):
    assert journal.parse(line) is None


def test_a_follower_that_comes_back_misses_nothing():
    line = recipe.journal_entries(_LAYOUT, 60, 10, int(_AT)).line("debian")
    assert "--since=@1795451104" in line
    assert "--no-tail" in line
    assert "-n 10" in recipe.journal_entries(_LAYOUT, 60, 10, 0).line("debian")
    assert "-f" not in recipe.journal_entries(_LAYOUT, 60, 10).argv
