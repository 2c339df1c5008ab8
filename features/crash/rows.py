"""The table's rows, and the chains of kills that they tell of. Pure."""

import dataclasses

KINDS = ("servers", "FIPs", "ports", "groups", "keys", "trusts")

Kill = tuple[str, int | None, str]  # step, target, moment: as in harness/crashing_gatewayd.py
Chain = list[Kill]  # of one deployment, one after the other

NEVER = "WRONG: it never came there"
REGISTER = ("commit 1", "commit 2", "commit 3", "after")


@dataclasses.dataclass
class Row:
    """``ended``: as it should, or else what is wrong; ``left``: by kind, None while the deployment lives."""

    flow: str
    kill: Kill
    ended: str
    left: dict[str, int] | None = None

    @property
    def is_good(self) -> bool:
        return not self.ended.startswith("WRONG") and not any((self.left or {}).values())

    def cells(self) -> tuple[str, ...]:
        step, target, moment = self.kill
        name = step if target is None else f"{step} #{target}"
        left = self.left or {}
        return (self.flow, name, moment, self.ended, *(str(left.get(kind, "")) for kind in KINDS))


def kills_of(target: int | None, moments: dict[str, tuple[str, ...]], *names: str) -> list[Kill]:
    return [(name, target, moment) for name in names or moments for moment in moments[name]]


def chains_of(found: list[Kill]) -> list[Chain]:
    """As few as may be: the moments of a step lie in two chains by turns, so that most of them are met by a
    step that was not killed before. At those of ``register`` after the first ones nothing else is to be
    killed: what it has written it does not write again."""
    before = [kill for kill in found if kill[0] != "register"]
    last = [kill for kill in found if kill[0] == "register"]
    numbers = sorted({kill[1] for kill in last})
    ends = [[kill for kill in last if kill[2] == moment] for moment in REGISTER]
    assert all(len(end) == len(numbers) for end in ends)
    firsts = [_in_order([*before[at::2], *ends[at]], found) for at in (0, 1)]
    return [*firsts, *ends[2:]]


def _in_order(chain: Chain, found: list[Kill]) -> Chain:
    return sorted(chain, key=found.index)


def rows_of(flow: str, chain: Chain, died: list[bool], ended: str, left: dict | None = None) -> list[Row]:
    return [
        Row(flow, kill, ended if has_died else NEVER, left)
        for kill, has_died in zip(chain, died, strict=True)
    ]
