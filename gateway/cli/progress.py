"""A deployment's steps as text. Pure: what is shown depends on what is given."""

import dataclasses
import datetime

Key = tuple[str, int | None]
_WAITING = ("pending", "reverted")


@dataclasses.dataclass(frozen=True)
class Seen:
    """How the steps stood at the last look. ``since``: when a running step was first seen, on the caller's
    clock, because the gateway's may differ."""

    states: dict[Key, str] = dataclasses.field(default_factory=dict)
    since: dict[Key, float] = dataclasses.field(default_factory=dict)


def look(seen: Seen, deployment: dict, now: float) -> Seen:
    """``seen`` after another answer of the API. ``now``: any clock that only goes forward, seconds."""
    states = {_key(step): step["state"] for step in deployment.get("steps", ())}
    since = {key: now if seen.states.get(key) != state else seen.since[key] for key, state in states.items()}
    return Seen(states, since)


def changes(seen: Seen, deployment: dict) -> list[str]:
    """One line for each step that stands otherwise than it was seen."""
    return [
        _line(step, _took(step))
        for step in deployment.get("steps", ())
        if step["state"] != "pending" and step["state"] != seen.states.get(_key(step))
    ]


def screen(seen: Seen, deployment: dict, now: float, width: int, height: int) -> list[str]:
    """All steps, none wider than ``width``; of more than ``height`` lines the finished ones go first."""
    steps = list(deployment.get("steps", ()))
    for state in ("pending", "reverted", "done"):
        while len(steps) > height and (surplus := [s for s in steps if s["state"] == state]):
            steps.remove(surplus[-1] if state == "pending" else surplus[0])
    lines = []
    for step in steps[:height]:
        moving = step["state"] in ("running", "reverting")
        lines.append(_line(step, now - seen.since[_key(step)] if moving else _took(step)))
    return [line if len(line) < width else line[: width - 1] for line in lines]


def _key(step: dict) -> Key:
    return step["name"], step["target"]


def _line(step: dict, seconds: float | None) -> str:
    target = "" if step["target"] is None else f"#{step['target']}"
    took = "" if seconds is None else f"{seconds:.1f} s"
    detail = " ".join((step.get("detail") or "").split())
    return f"  {step['name']:<14} {target:<3} {step['state']:<9} {took:>8}  {detail}".rstrip()


def _took(step: dict) -> float | None:
    if step["state"] in _WAITING or not (step.get("started_at") and step.get("finished_at")):
        return None
    return (_time(step["finished_at"]) - _time(step["started_at"])).total_seconds()


def _time(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
