"""The examples of README and of the pages in doc/source as commands and what they print. Pure.

Every ```console block is run, all of them in one bash, in order; blocks of another kind (```sh) are only
shown. So is every ``.. code-block:: console`` of a page that no comment ``.. Not run: why`` stands above.
In a block ``$ `` begins a command, ``> `` or a ``\\`` at a line's end goes on with it, the rest is its
output. White space in the output does not matter; these match any of their kind: ids (UUIDs, 32 or 64
hexadecimal digits, the 8 that begin one), IPv4 addresses, times, decimals (4.2), numbers of five or more
digits, SSH keys and JWTs; ``…`` matches anything. All else, short numbers among it, is meant literally.
"""

import dataclasses
import re

_HEX = r"[0-9a-f]"
#: What varies, the longest first: a word of README that is one of these matches any other of its kind.
_KINDS = (
    r"eyJ[\w-]+\.[\w-]+\.[\w-]*",
    r"(?:ssh-ed25519 )?AAAA[A-Za-z0-9+/=]{40,}",
    rf"\b{_HEX}{{64}}\b",
    rf"\b{_HEX}{{8}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{12}}\b",
    rf"\b{_HEX}{{32}}\b",
    rf"\b(?=[a-f]*\d){_HEX}{{8}}\b",
    r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)?",
    r"\b\d\d:\d\d:\d\d\b",
    r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d.])",
    r"(?<![\w.])\d+\.\d+(?![\d.])",
    r"(?<![\w.])\d{5,}(?![\w.])",
    r"-{3,}",  # the lines of a table are as long as its cells
)
_VARYING = re.compile("|".join(f"({kind})" for kind in _KINDS) + "|(…)")


@dataclasses.dataclass(frozen=True)
class Example:
    command: str
    output: str
    line: int  # of the command, in its file


def examples(text: str) -> list[Example]:
    found = []
    for block in re.finditer(r"^```console\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        first = text.count("\n", 0, block.start(1)) + 1
        found += _of_block(block[1].splitlines(), first)
    return found


_PAGE_BLOCK = re.compile(
    r"^(?:\.\. Not run: (?P<why>.+)\n(?:   .+\n)*\n)?\.\. code-block:: console\n\n(?P<body>(?:   .*\n|\n)+)",
    re.MULTILINE,
)


def of_page(text: str) -> list[Example]:
    """Those of a page. Raises ValueError for a command that stands in no such block."""
    elsewhere = re.search(r"^ +\$ .*", _PAGE_BLOCK.sub("", text), re.MULTILINE)
    if elsewhere:
        raise ValueError(f"no example that is run, and nothing says why not: {elsewhere[0].strip()}")
    found = []
    for block in _PAGE_BLOCK.finditer(text):
        if not block["why"]:
            first = text.count("\n", 0, block.start("body")) + 1
            lines = [line.removeprefix("   ") for line in block["body"].rstrip("\n").split("\n")]
            found += _of_block(lines, first)
    return found


def _of_block(lines: list[str], first: int) -> list[Example]:
    found: list[Example] = []
    for number, line in enumerate(lines, first):
        if line.startswith("$ "):
            found.append(Example(line[2:], "", number))
        elif not found:
            raise ValueError(f"line {number}: a console block begins with a command: $ …")
        else:
            found[-1] = _with(found[-1], line)
    return found


def _with(example: Example, line: str) -> Example:
    if not example.output and (example.command.endswith("\\") or line.startswith("> ")):
        return dataclasses.replace(example, command=f"{example.command}\n{line.removeprefix('> ')}")
    return dataclasses.replace(example, output=f"{example.output}{line}\n")


def matches(expected: str, seen: str) -> bool:
    return re.fullmatch(_pattern(expected), _dense(seen), re.DOTALL) is not None


def _pattern(expected: str) -> str:
    parts, end = [], 0
    for found in _VARYING.finditer(expected):
        parts.append(re.escape(_dense(expected[end : found.start()])))
        parts.append(".*?" if found[0] == "…" else _loose(_KINDS[found.lastindex - 1]))
        end = found.end()
    return "".join(parts) + re.escape(_dense(expected[end:]))


def _loose(kind: str) -> str:
    """The kind where no white space is left: without what looks at the neighbours."""
    kind = re.sub(r"\\b|\(\?<!\[.*?\]\)|\(\?!\[.*?\]\)|\(\?=.*?\)", "", kind)
    return f"(?:{kind.replace('[T ]', 'T?').replace('(?:ssh-ed25519 )?', '(?:ssh-ed25519)?')})"


def _dense(text: str) -> str:
    return "".join(text.split())
