"""What the pages of doc/ and the commented example name is there. `make docs` builds the pages."""

import pathlib
import re

import pytest

from gateway import manage
from gateway.api import wish
from gateway.cli.commands import COMMANDS

_ROOT = pathlib.Path(__file__).parents[3]
_PAGES = sorted((_ROOT / "doc" / "source").glob("*.rst"))
#: Options of the plugin that [keystone_authtoken] auth_type names are in no sample.
_OF_PLUGINS = {"[keystone_authtoken] auth_url"}
_OF_CLIFF = {"help", "complete"}


def _code():
    paths = (_ROOT / "gateway").rglob("*.py")
    return "\n".join(path.read_text() for path in paths if "tests" not in path.parts)


def _codes():
    return set(re.findall(r'"(gateway(?:\.[a-z0-9_]+){1,2})"', _code()))


def _options():
    sample = (_ROOT / "etc" / "gateway" / "gateway.conf.sample").read_text()
    parts = re.split(r"^\[(\w+)\]$", sample, flags=re.MULTILINE)[1:]
    named = zip(parts[::2], parts[1::2], strict=True)
    return {f"[{group}] {name}" for group, text in named for name in re.findall(r"^#(\w+) =", text, re.M)}


def _literals(page, pattern):
    """The first groups of ``pattern`` in the page's literals."""
    texts = (" ".join(text.split()) for text in re.findall(r"``([^`]+)``", page.read_text()))
    return {found[1] for text in texts if (found := re.match(pattern, text))}


def _fields(schema):
    """The names of all members, at any depth."""
    for name, value in schema.get("properties", {}).items():
        yield name
        yield from _fields(value)
    alternatives = (*schema.get("anyOf", ()), *schema.get("oneOf", ()))
    for each in (*alternatives, *(schema[word] for word in ("items", "then", "else") if word in schema)):
        yield from _fields(each)


@pytest.mark.parametrize("page", _PAGES, ids=lambda page: page.stem)
def test_what_a_page_names_is_there(page):
    codes = _literals(page, r"(gateway\.[a-z]+\.[a-z0-9_]+|gateway\.internal)$")
    assert codes <= _codes()
    assert _literals(page, r"(\[\w+\] \w+)") <= _options() | _OF_PLUGINS
    for program, commands in (("gateway", COMMANDS.keys() | _OF_CLIFF), ("gateway-manage", manage.COMMANDS)):
        for words in _literals(page, rf"{program} ([a-z][a-z -]*[a-z])"):
            assert any(f"{words} ".startswith(f"{each} ") or each.startswith(words) for each in commands), (
                words
            )


def test_the_commented_example_has_every_field_there_is():
    text = (_ROOT / "examples" / "hello" / "service.yaml").read_text()
    assert {name for name in _fields(wish.BODY) if not re.search(rf"\b{name}:", text)} == set()
