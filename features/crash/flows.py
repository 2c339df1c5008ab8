"""The flows, each killed at every one of its steps. A flow is a generator of rows; it gets a lane."""

import dataclasses
from collections.abc import Callable, Iterator

import requests
from crash.ground import Lane
from crash.rows import REGISTER, Chain, Kill, Row, chains_of, kills_of, rows_of
from harness import clouds

_ON_A_SERVER: dict[str, tuple[str, ...]] = {
    "ssh": ("begin", "after"),
    "upload": ("call 1", "call 2", "after"),
    "install": ("call 1", "after"),
    "start": ("call 1", "after"),
    "health": ("begin", "after"),
    "register": REGISTER,
}
_DRAIN = ("begin", "commit 1", "after")


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


def _killed(lane: Lane, id_of: Callable[[], str], chain: Chain) -> tuple[str, list[bool]]:
    """``id_of`` asks for what is killed, at each of the chain in turn. The deployment's id, and at which of
    them it died."""
    lane.crash.at(*chain[0])
    id = id_of()
    died = [lane.survive(id, following) for following in [*chain[1:], None]]
    lane.ended(id)
    return id, died


# First deployments


def refused(lane: Lane) -> Iterator[Row]:
    """Its quota falls while the daemon is dead, so that no guest boots; killed again on the way back."""
    if lane.number:
        return  # all lanes have one quota
    project_id = lane.conn.current_project_id
    cores = clouds.quota(project_id, "cores")
    befores = [("quota", None, moment) for moment in ("begin", "after")]
    befores += [("security_group", None, moment) for moment in ("call 1", "call 2", "after")]
    back = kills_of(None, {"undo security_group": ("begin", "call 1", "after")})
    back += kills_of(None, {"undeploy everything": ("begin", "after")})
    back += kills_of(None, {"delete trusts": ("begin", "call 1", "commit 1", "after")})
    for number, kill in lane.until_the_end(enumerate(back)):
        # the first ones are killed after the group is made: else there is none to be taken back
        before = befores[-1 - number % len(befores)]
        lane.crash.at(*before)
        id = lane.deploy("1", lane.new_server(lane.ground.names["network"]))
        died = [lane.survive(id, kill, lambda: clouds.set_quota(project_id, "cores", 0)), lane.survive(id)]
        found, left = lane.ended(id), lane.left(id, set())
        clouds.set_quota(project_id, "cores", cores)
        is_right = (found["status"], found["fault"]["code"]) == ("failed", "gateway.quota.exceeded")
        yield from rows_of("refused", [before, kill], died, "failed" if is_right else _wrong(found), left)
        lane.undeploy(id)


def first(lane: Lane) -> Iterator[Row]:
    """On a server that is there."""
    kills = kills_of(None, {"security_group": ("call 1", "call 2", "after")})
    kills += kills_of(0, {"server": ("call 1", "after"), **_ON_A_SERVER})
    for chain in lane.share(chains_of(kills)):
        id, died = _killed(lane, lambda: lane.deploy("1", lane.on(lane.guests[:1])), chain)
        ended = _judged(lane, id, "succeeded", "1", 1)
        lane.undeploy(id)
        yield from rows_of("first", chain, died, ended, lane.left(id, set()))


_ARRIVAL: dict[str, tuple[str, ...]] = {
    "boot": ("commit 1", "call 1", "commit 3", "after"),
    "active": ("begin", "after"),
    "address": ("call 1", "after"),
    **_ON_A_SERVER,
}


def new(lane: Lane) -> Iterator[Row]:
    """On a new server behind a floating IP, undeployed with a crash after every call."""
    kills = kills_of(None, {"quota": ("begin", "after"), "security_group": ("call 1", "after")})
    for chain in lane.share(chains_of(kills + kills_of(0, _ARRIVAL))):
        id, died = _killed(lane, lambda: lane.deploy("1", lane.behind_a_floating_ip()), chain)
        ended, booted = _judged(lane, id, "succeeded", "1", 1, new=True), _booted(lane, id)
        undone = list(_undeployed_bit_by_bit(lane, id))
        left = lane.left(id, booted)
        yield from rows_of("new", chain, died, ended, left)
        yield from rows_of("undeploy new", undone, [True] * len(undone), "gone", left)


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
    """Its server dies and gets another one in its place."""
    kills = kills_of(0, {"replace": ("begin", "commit 1", "call 1", "commit 3", "after"), **_ARRIVAL})
    for chain in lane.share(chains_of(kills)):
        id = lane.deploy("1", lane.behind_a_floating_ip(), heal={"after": 5})
        lane.ended(id)
        dead = _booted(lane, id)
        _, died = _killed(lane, lambda: _dies(lane, id, *dead), chain)  # noqa: B023 (called at once)
        ended, booted = _judged(lane, id, "succeeded", "1", 1, new=True), _booted(lane, id)
        if booted == dead:
            ended = "WRONG: it is the old server"
        lane.undeploy(id)
        yield from rows_of("heal", chain, died, ended, lane.left(id, booted | dead))


def _dies(lane: Lane, id: str, server_id: str) -> str:
    lane.break_server(server_id)
    lane.begun(id)
    return id


# What follows


def update(lane: Lane) -> Iterator[Row]:
    """Two instances in two batches."""
    kills = kills_of(0, _ON_A_SERVER, "ssh", "upload", "install")
    for target in (0, 1):
        kills += kills_of(target, {**_ON_A_SERVER, "drain": _DRAIN}, "drain", "start", "health", "register")
    id, version, rows = lane.deploy("1"), 1, []
    lane.ended(id)
    for chain in lane.share(chains_of(kills)):
        version += 1
        _, died = _killed(lane, lambda: lane.deploy(str(version)), chain)  # noqa: B023 (called at once)
        rows += rows_of("update", chain, died, _judged(lane, id, "succeeded", str(version), 2))
    yield from _undeployed(lane, id, rows)


def move(lane: Lane) -> Iterator[Row]:
    """A release on another port: that of the one before is closed in the end."""
    id, version, rows = lane.deploy("1"), 1, []
    lane.ended(id)
    for kill in lane.share(kills_of(None, {"close port": ("begin", "call 1", "after")})):
        version += 1
        port = lane.port + (50 if version % 2 == 0 else 0)
        _, died = _killed(lane, lambda: lane.deploy(str(version), port=port), [kill])  # noqa: B023 (called at once)
        ended = _judged(lane, id, "succeeded", str(version), 2)
        if (opened := lane.opened(id)) != {22, port}:
            ended = f"WRONG: {opened} are open, not 22 and {port}"
        rows += rows_of("move", [kill], died, ended)
    yield from _undeployed(lane, id, rows)


#: Killed in the revert of a step, then where the engine looks again at everything. The calls of a restore:
#: which release runs, make its folder, look around, start.
_BACK: list[Chain] = [
    [("undo drain", 1, "call 1"), ("restore all", None, "call 4")],
    [("undo drain", 0, "call 4")],
    [("undo drain", 1, "after"), ("restore all", None, "call 2")],
    [("undo drain", 0, "call 1"), ("restore all", None, "after")],
    [("undo drain", 1, "begin"), ("restore all", None, "call 3")],
    [("undo drain", 0, "after"), ("restore all", None, "call 1")],
    [("undo drain", 0, "begin"), ("restore all", None, "begin")],
]


def rollback(lane: Lane) -> Iterator[Row]:
    """An update of two whose second instance does not get healthy."""
    second = 1 - lane.number % 2  # of the guests, whose names end so
    fails = f"case $(hostname) in *-{second}) exit 3;; esac; exec python3 -m http.server $PORT"
    chains = [*_BACK, [("undo drain", 1, "call 4")]]
    return _gone_back(lane, "rollback", chains, lambda: lane.deploy("2", command=fails))


def cancel_update(lane: Lane) -> Iterator[Row]:
    """Of two, in the pause between its two batches: the second one need not be started again."""

    def canceled() -> str:
        id = lane.deploy("2", update={"drain": 1, "ramp": 1, "pause": 300})
        return _canceled(lane, id, ("drain", 1, "running"))

    return _gone_back(lane, "cancel_update", _BACK, canceled)


def _gone_back(lane: Lane, flow: str, chains: list[Chain], ask: Callable[[], str]) -> Iterator[Row]:
    id, rows = lane.deploy("1"), []
    lane.ended(id)
    for chain in lane.share(chains):
        _, died = _killed(lane, ask, chain)
        rows += rows_of(flow, chain, died, _judged(lane, id, "rolled_back", "1", 2))
    yield from _undeployed(lane, id, rows)


def scale_down(lane: Lane) -> Iterator[Row]:
    kills = kills_of(1, {"finish drain": _DRAIN, "finish remove": ("begin", "call 1", "call 2", "after")})
    id, rows = "", []
    for kill in lane.share(kills):
        id = lane.deploy("1")
        lane.ended(id)
        _, died = _killed(lane, lambda: lane.deploy("1", lane.on(lane.guests[:1])), [kill])
        rows += rows_of("scale_down", [kill], died, _judged(lane, id, "succeeded", "1", 1))
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
    """Of a first deployment in the middle of its setup."""
    chains: list[Chain] = [
        [("undo upload", 0, "call 1"), *_ending("call 1", "call 1")],
        [("undo security_group", None, "call 1"), *_ending("after", "after")],
        [("undo upload", 0, "after"), *_ending("call 2", "commit 1")],
        [("undo security_group", None, "call 2")],
        [("undo upload", 0, "begin"), *_ending("begin", "begin")],
        [("undo security_group", None, "after")],
    ]

    def canceled() -> str:
        id = lane.deploy("1", lane.on(lane.guests[:1]), setup="sleep 300")
        lane.wait_for_line(id, "$ run setup")
        return _canceled(lane, id)

    return _failing(lane, "cancel", chains, canceled)


def _ending(everything: str, trusts: str) -> Chain:
    return [("undeploy everything", None, everything), ("delete trusts", None, trusts)]


def cancel_half(lane: Lane) -> Iterator[Row]:
    """Of a first deployment whose first instance is in the registry and whose second does not get healthy."""
    second = 1 - lane.number % 2  # of the guests, whose names end so
    waits = f"case $(hostname) in *-{second}) exec sleep 600;; esac; exec python3 -m http.server $PORT"
    chains = [[kill] for kill in kills_of(0, {"undo register": ("commit 1", "after", "begin")})]

    def canceled() -> str:
        id = lane.deploy("1", command=waits)
        return _canceled(lane, id, ("register", 0, "done"), ("health", 1, "running"))

    return _failing(lane, "cancel_half", chains, canceled)


def cancel_new(lane: Lane) -> Iterator[Row]:
    """On a new server behind a floating IP, while the login is waited for."""
    chains: list[Chain] = [
        [("undo address", 0, "call 1"), *_ending("call 1", "call 1")],
        [("undo boot", 0, "call 1"), *_ending("call 1", "after")],
        [("undo address", 0, "after")],
        [("undo boot", 0, "after")],
        [("undo address", 0, "begin")],
        [("undo boot", 0, "begin")],
    ]

    def canceled() -> str:
        id = lane.deploy("1", lane.behind_a_floating_ip())
        return _canceled(lane, id, ("ssh", 0, "running"))

    return _failing(lane, "cancel_new", chains, canceled)


def _canceled(lane: Lane, id: str, *states: tuple[str, int, str]) -> str:
    """Once all these steps of targets are so."""
    for each in states:
        lane.wait_for_step(id, *each)
    lane.call("POST", f"/v1/deployments/{id}/cancel")
    return id


def _failing(lane: Lane, flow: str, chains: list[Chain], ask: Callable[[], str]) -> Iterator[Row]:
    for chain in lane.share(chains):
        id, died = _killed(lane, ask, chain)
        found = lane.deployment(id)
        ended = found["status"] if found["status"] == "failed" else _wrong(found)
        yield from rows_of(flow, chain, died, ended, lane.left(id, _booted(lane, id)))
        lane.undeploy(id)


def undeploy(lane: Lane) -> Iterator[Row]:
    """Of one on a server that stays. What is killed after a call has that one less when it starts again."""
    chains: list[Chain] = [
        [
            *kills_of(None, {"undeploy everything": ("begin", "call 1", "call 2", "after")}),
            *_ending("begin", "call 1")[1:],
        ],
        [
            ("undeploy everything", None, "call 3"),
            *kills_of(None, {"delete trusts": ("begin", "commit 1", "after")}),
        ],
    ]
    for chain in lane.share(chains):
        id = lane.deploy("1", lane.on(lane.guests[:1]))
        lane.ended(id)
        _, died = _killed(lane, lambda: _undeploy_asked(lane, id), chain)  # noqa: B023 (called at once)
        is_gone = lane.deployment(id) is None and not lane.instances()
        yield from rows_of(
            "undeploy", chain, died, "gone" if is_gone else "WRONG: still there", lane.left(id, set())
        )


def _undeploy_asked(lane: Lane, id: str) -> str:
    lane.call("DELETE", f"/v1/deployments/{id}")
    return id


FLOWS = {
    "refused": refused,
    "first": first,
    "new": new,
    "heal": heal,
    "update": update,
    "move": move,
    "rollback": rollback,
    "scale_down": scale_down,
    "cancel": cancel,
    "cancel_half": cancel_half,
    "cancel_new": cancel_new,
    "cancel_update": cancel_update,
    "undeploy": undeploy,
}
