"""The flows, each killed at every one of its steps. A flow is a generator of rows; it gets a lane."""

import dataclasses
from collections.abc import Callable, Iterator

import requests
from crash.ground import KINDS, Lane
from harness import clouds

Kill = tuple[str, int | None, str]  # step, target, moment: as in harness/crashing_gatewayd.py

_ON_A_SERVER: dict[str, tuple[str, ...]] = {
    "ssh": ("begin", "after"),
    "upload": ("call 1", "call 2", "after"),
    "install": ("call 1", "after"),
    "start": ("call 1", "after"),
    "health": ("begin", "after"),
    "register": ("commit 1", "commit 2", "commit 3", "after"),
}
_NEVER = "WRONG: it never came there"
_DRAIN = ("begin", "commit 1", "after")
# the calls of a restore: which release runs, make its folder, look around, start
_RESTORE = ("begin", "call 1", "call 2", "call 3", "call 4", "after")
_BACK: dict[str, tuple[str, ...]] = {"undo drain": _RESTORE}


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


def _kills(target: int | None, moments: dict[str, tuple[str, ...]], *names: str) -> list[Kill]:
    return [(name, target, moment) for name in names or moments for moment in moments[name]]


# Judging


def _judged(lane: Lane, id: str, status: str, version: str, count: int, new: bool = False) -> str:
    """Whether it has ended as it should, with just as much of everything as is wanted."""
    found = lane.deployment(id)
    if found["status"] != status:
        return _wrong(found)
    has, wanted = lane.has(id, set()), count if new else 0
    expected = {"servers": wanted, "FIPs": wanted, "ports": wanted, "groups": 1, "keys": 0, "trusts": 1}
    if has != expected:
        return f"WRONG: OpenStack has {has}, not {expected}"
    return _serves(lane, found, version, count) or status


def _wrong(found: dict) -> str:
    fault = found["fault"] or {}
    return f"WRONG: {found['status']}, {fault.get('step')}: {fault.get('message')}"


def _failed(lane: Lane, id: str) -> str:
    found = lane.deployment(id)
    return found["status"] if found["status"] == "failed" else _wrong(found)


def _serves(lane: Lane, found: dict, version: str, count: int) -> str | None:
    instances = [(i["name"], i["version"], i["status"], i["weight"]) for i in lane.instances()]
    if len(instances) != count or {i[1:] for i in instances} != {(version, "passing", 1)}:
        return f"WRONG: the registry has {instances}"
    for target in found["instances"]:
        seen = requests.get(f"{target['url']}/version.txt", timeout=20).text
        if seen != version:
            return f"WRONG: {target['url']} runs {seen}"
    return None


def _booted(lane: Lane, id: str) -> set[str]:
    found = lane.deployment(id)
    mine = {target["server_id"] for target in found["instances"] if target["server_id"]} if found else set()
    return mine - set(lane.guests)


def _killed(lane: Lane, id_of: Callable[[], str], kill: Kill) -> tuple[str, str | None]:
    """``id_of`` asks for what is killed. The deployment's id, and what is wrong."""
    lane.crash.at(*kill)
    id = id_of()
    died = lane.survive(id)
    lane.ended(id)
    return id, None if died else _NEVER


# First deployments


def refused(lane: Lane) -> Iterator[Row]:
    """Its quota falls while the daemon is dead, so that no guest boots; killed again on the way back."""
    if lane.number:
        return  # all lanes have one quota
    project_id = lane.conn.current_project_id
    cores = clouds.quota(project_id, "cores")
    befores = [("quota", None, moment) for moment in ("begin", "after")]
    befores += [("security_group", None, moment) for moment in ("call 1", "call 2", "after")]
    back = _kills(None, {"undo security_group": ("begin", "call 1", "after")})
    back += _kills(None, {"undeploy everything": ("begin", "after")})
    back += _kills(None, {"delete trusts": ("begin", "call 1", "commit 1", "after")})
    for number, kill in lane.until_the_end(enumerate(back)):
        # the first ones are killed after the group is made: else there is none to be taken back
        before = befores[-1 - number % len(befores)]
        lane.crash.at(*before)
        id = lane.deploy("1", lane.new_server(lane.ground.names["network"]))
        died = [lane.survive(id, kill, lambda: clouds.set_quota(project_id, "cores", 0)), lane.survive(id)]
        found, left = lane.ended(id), lane.left(id, set())
        clouds.set_quota(project_id, "cores", cores)
        is_right = (found["status"], found["fault"]["code"]) == ("failed", "gateway.quota.exceeded")
        ended = found["status"] if is_right else _wrong(found)
        for each, has_died in zip((before, kill), died, strict=True):
            yield Row("refused", each, ended if has_died else _NEVER, left)
        lane.undeploy(id)


def first(lane: Lane) -> Iterator[Row]:
    """On a server that is there."""
    kills = _kills(None, {"security_group": ("call 1", "call 2", "after")})
    kills += _kills(0, {"server": ("call 1", "after"), **_ON_A_SERVER})
    for kill in lane.share(kills):
        id, wrong = _killed(lane, lambda: lane.deploy("1", lane.on(lane.guests[:1])), kill)
        ended = wrong or _judged(lane, id, "succeeded", "1", 1)
        lane.undeploy(id)
        yield Row("first", kill, ended, lane.left(id, set()))


def new(lane: Lane) -> Iterator[Row]:
    """On a new server behind a floating IP: at each of the steps of the cloud in a deployment of its own, at
    the others one after the other in one deployment; each is undeployed with a crash after every call."""
    chains: list[list[Kill]] = [[("quota", None, moment)] for moment in ("begin", "after")]
    chains += [[("security_group", None, moment)] for moment in ("call 1", "after")]
    chains += [[("boot", 0, moment)] for moment in ("commit 1", "call 1", "commit 3", "after")]
    chains += [[("active", 0, moment)] for moment in ("begin", "after")]
    chains += [[("address", 0, moment)] for moment in ("call 1", "after")]
    chains += [[(name, 0, moments[at]) for name, moments in _ON_A_SERVER.items()] for at in (0, -1)]
    for chain in lane.share(chains):
        yield from _chain(lane, chain)


def _chain(lane: Lane, chain: list[Kill]) -> Iterator[Row]:
    lane.crash.at(*chain[0])
    id, died = lane.deploy("1", lane.behind_a_floating_ip()), []
    for following in [*chain[1:], None]:
        died.append(lane.survive(id, following))
    lane.ended(id)
    ended, booted = _judged(lane, id, "succeeded", "1", 1, new=True), _booted(lane, id)
    undone = list(_undeployed_bit_by_bit(lane, id))
    left = lane.left(id, booted)
    for kill, has_died in zip(chain, died, strict=True):
        yield Row("new", kill, ended if has_died else _NEVER, left)
    for kill in undone:
        yield Row("undeploy new", kill, "gone", left)


def _undeployed_bit_by_bit(lane: Lane, id: str) -> Iterator[Kill]:
    """Killed after the first call that changes something, again and again, until there is no such call."""
    kill, count = ("undeploy everything", None, "call 1"), 0
    lane.crash.at(*kill)
    lane.call("DELETE", f"/v1/deployments/{id}")
    while lane.survive(id, kill):
        count += 1
        yield kill[0], None, f"call {count}"
    lane.crash.forget()
    lane.ended(id)


def heal(lane: Lane) -> Iterator[Row]:
    """Its server dies and gets another one in its place, killed again and again on the way."""
    kills = _kills(0, {"replace": ("begin", "commit 1", "call 1", "commit 3", "after")})
    kills += _kills(0, {"boot": ("commit 1", "call 1", "commit 3", "after"), "active": ("begin", "after")})
    kills += _kills(0, {"address": ("call 1", "after"), **_ON_A_SERVER})
    chain = list(lane.share(kills))
    if not chain:
        return
    id = lane.deploy("1", lane.behind_a_floating_ip(), heal={"after": 5})
    lane.ended(id)
    dead = _booted(lane, id)
    lane.crash.at(*chain[0])
    lane.break_server(*dead)
    lane.begun(id)
    died = [lane.survive(id, following) for following in [*chain[1:], None]]
    lane.ended(id)
    ended, booted = _judged(lane, id, "succeeded", "1", 1, new=True), _booted(lane, id)
    if booted == dead:
        ended = "WRONG: it is the old server"
    lane.undeploy(id)
    left = lane.left(id, booted | dead)
    for kill, has_died in zip(chain, died, strict=True):
        yield Row("heal", kill, ended if has_died else _NEVER, left)


# What follows


def update(lane: Lane) -> Iterator[Row]:
    """Two instances in two batches."""
    kills = _kills(0, _ON_A_SERVER, "ssh", "upload", "install")
    for target in (0, 1):
        kills += _kills(target, {**_ON_A_SERVER, "drain": _DRAIN}, "drain", "start", "health", "register")
    id, version = lane.deploy("1"), 1
    lane.ended(id)
    rows = []
    for kill in lane.share(kills):
        version += 1
        _, wrong = _killed(lane, lambda: lane.deploy(str(version)), kill)  # noqa: B023 (called at once)
        rows.append(Row("update", kill, wrong or _judged(lane, id, "succeeded", str(version), 2)))
    yield from _undeployed(lane, id, rows)


def rollback(lane: Lane) -> Iterator[Row]:
    """An update of two whose second instance does not get healthy, killed while it goes back."""
    id = lane.deploy("1")
    lane.ended(id)
    second = 1 - lane.number % 2  # of the guests, whose names end so
    fails = f"case $(hostname) in *-{second}) exit 3;; esac; exec python3 -m http.server $PORT"
    rows = []
    for kill in lane.share(_going_back()):
        _, wrong = _killed(lane, lambda: lane.deploy("2", command=fails), kill)
        rows.append(Row("rollback", kill, wrong or _judged(lane, id, "rolled_back", "1", 2)))
    yield from _undeployed(lane, id, rows)


def cancel_update(lane: Lane) -> Iterator[Row]:
    """Of two, in the pause between its two batches, killed while it goes back."""
    id, rows = lane.deploy("1"), []
    lane.ended(id)
    for kill in lane.share(_going_back()):
        _, wrong = _killed(lane, lambda: _canceled_update(lane), kill)
        rows.append(Row("cancel_update", kill, wrong or _judged(lane, id, "rolled_back", "1", 2)))
    yield from _undeployed(lane, id, rows)


def _going_back() -> list[Kill]:
    kills = [*_kills(1, _BACK), *_kills(0, _BACK)]
    return kills + _kills(None, {"restore all": ("begin", "call 1", "after")})


def _canceled_update(lane: Lane) -> str:
    id = lane.deploy("2", update={"drain": 1, "ramp": 1, "pause": 300})
    return _canceled(lane, id, ("drain", 1, "running"))


def scale_down(lane: Lane) -> Iterator[Row]:
    kills = _kills(1, {"finish drain": _DRAIN, "finish remove": ("begin", "call 1", "call 2", "after")})
    id, rows = "", []
    for kill in lane.share(kills):
        id = lane.deploy("1")
        lane.ended(id)
        _, wrong = _killed(lane, lambda: lane.deploy("1", lane.on(lane.guests[:1])), kill)
        rows.append(Row("scale_down", kill, wrong or _judged(lane, id, "succeeded", "1", 1)))
    if rows:
        yield from _undeployed(lane, id, rows)


def _undeployed(lane: Lane, id: str, rows: list[Row]) -> Iterator[Row]:
    """What is left at the end is of all of them."""
    lane.undeploy(id)
    left = lane.left(id, set())
    for row in rows:
        yield dataclasses.replace(row, left=left)


# The ends


def cancel(lane: Lane) -> Iterator[Row]:
    """Of a first deployment whose setup takes long, killed while it is taken back."""
    kills = _kills(0, {"undo upload": ("begin", "call 1", "after")})
    kills += _kills(None, {"undo security_group": ("call 1", "call 2", "after")})
    kills += _kills(None, {"undeploy everything": ("begin", "call 1", "after")})
    kills += _kills(None, {"delete trusts": ("begin", "call 1", "after")})
    for kill in lane.share(kills):
        id, wrong = _killed(lane, lambda: _canceled_setup(lane), kill)
        yield Row("cancel", kill, wrong or _failed(lane, id), lane.left(id, set()))
        lane.undeploy(id)


def _canceled_setup(lane: Lane) -> str:
    """In the middle of its setup."""
    id = lane.deploy("1", lane.on(lane.guests[:1]), setup="sleep 300")
    lane.wait_for_line(id, "$ run setup")
    return _canceled(lane, id)


def _canceled(lane: Lane, id: str, *states: tuple[str, int, str]) -> str:
    """Once all these steps of targets are so."""
    for each in states:
        lane.wait_for_step(id, *each)
    lane.call("POST", f"/v1/deployments/{id}/cancel")
    return id


def cancel_new(lane: Lane) -> Iterator[Row]:
    """On a new server behind a floating IP, while the login is waited for."""
    moments = ("begin", "call 1", "after")
    for kill in lane.share(_kills(0, {"undo address": moments, "undo boot": moments})):
        lane.crash.at(*kill)
        id = lane.deploy("1", lane.behind_a_floating_ip())
        lane.wait_for_step(id, "ssh", 0, "running")
        booted = _booted(lane, id)
        _canceled(lane, id)
        wrong = None if lane.survive(id) else _NEVER
        lane.ended(id)
        yield Row("cancel_new", kill, wrong or _failed(lane, id), lane.left(id, booted))
        lane.undeploy(id)


def cancel_half(lane: Lane) -> Iterator[Row]:
    """Of a first deployment whose first instance is in the registry and whose second does not get healthy."""
    kills = _kills(0, {"undo register": ("begin", "commit 1", "after"), "undo upload": ("begin", "call 1")})
    reached = ("register", 0, "done"), ("health", 1, "running")
    second = 1 - lane.number % 2  # of the guests, whose names end so
    waits = f"case $(hostname) in *-{second}) exec sleep 600;; esac; exec python3 -m http.server $PORT"
    for kill in lane.share(kills):
        id, wrong = _killed(lane, lambda: _canceled(lane, lane.deploy("1", command=waits), *reached), kill)
        yield Row("cancel_half", kill, wrong or _failed(lane, id), lane.left(id, set()))
        lane.undeploy(id)


def undeploy(lane: Lane) -> Iterator[Row]:
    """Of one on a server that stays."""
    kills = _kills(None, {"undeploy everything": ("begin", "call 1", "call 2", "call 3", "after")})
    kills += _kills(None, {"delete trusts": ("begin", "call 1", "commit 1", "after")})
    for kill in lane.share(kills):
        id = lane.deploy("1", lane.on(lane.guests[:1]))
        lane.ended(id)
        lane.crash.at(*kill)
        lane.call("DELETE", f"/v1/deployments/{id}")
        died = lane.survive(id)
        gone = lane.ended(id) is None and not lane.instances()
        ended = "gone" if died and gone else "WRONG: still there" if died else _NEVER
        yield Row("undeploy", kill, ended, lane.left(id, set()))


FLOWS = {
    "refused": refused,
    "first": first,
    "new": new,
    "heal": heal,
    "update": update,
    "rollback": rollback,
    "scale_down": scale_down,
    "cancel": cancel,
    "cancel_half": cancel_half,
    "cancel_new": cancel_new,
    "cancel_update": cancel_update,
    "undeploy": undeploy,
}
