"""How far a deployment is: what events change in it, and what of it is shown. Pure."""

import collections
import dataclasses
import datetime
from collections.abc import Callable, Sequence

Key = tuple[str, int | None]
_UNTIMED = ("pending", "reverting", "reverted")
#: A step only goes on in this order, so that an event which tells what is known already changes nothing.
_ORDER = {"pending": 0, "running": 1, "done": 2, "failed": 2, "reverting": 3, "reverted": 4}


def with_event(deployment: dict, event: str, data: dict) -> dict:
    """``deployment``, an answer of the API, after an event of its log; an older one changes nothing."""
    if event == "status":
        return {**deployment, "status": data["status"]}
    if event != "step":
        return deployment
    key = data["step"], data["target"]
    steps = [_moved(step, data) if _key(step) == key else step for step in deployment.get("steps", ())]
    return {**deployment, "steps": steps}


def _moved(step: dict, data: dict) -> dict:
    if _ORDER.get(data["state"], 0) <= _ORDER.get(step["state"], 0):
        return step
    time = "started_at" if data["state"] == "running" else "finished_at"
    return {**step, "state": data["state"], "detail": data["detail"] or step.get("detail"), time: data["at"]}


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
        _line(step, _took([step]))
        for step in deployment.get("steps", ())
        if step["state"] != "pending" and step["state"] != seen.states.get(_key(step))
    ]


def _line(step: dict, seconds: float | None) -> str:
    target = "" if step["target"] is None else f"#{step['target']}"
    took = "" if seconds is None or step["state"] in _UNTIMED else f"{seconds:.1f} s"
    detail = " ".join((step.get("detail") or "").split())
    return f"  {step['name']:<14} {target:<3} {step['state']:<9} {took:>8}  {detail}".rstrip()


@dataclasses.dataclass(frozen=True)
class Row:
    """A step of the whole deployment, or a server with all of its steps, of which ``step`` is the one that
    ``state`` is about, if it is about one. ``state`` "waiting": nothing is under way."""

    name: str
    done: int
    total: int
    step: str
    state: str
    seconds: float | None


def rows(seen: Seen, deployment: dict, now: float) -> list[Row]:
    """First the steps of the whole deployment, then the servers."""
    by_target: dict[int | None, list[dict]] = collections.defaultdict(list)
    for step in deployment.get("steps", ()):
        by_target[step["target"]].append(step)
    whole = [_row(step["name"], [step], seen, now) for step in by_target.pop(None, ())]
    names = {each["number"]: each.get("server_name") for each in deployment.get("instances", ())}
    servers = [
        _row(names.get(number) or f"server #{number}", steps, seen, now)
        for number, steps in sorted(by_target.items())
    ]
    return [dataclasses.replace(row, step="") for row in whole] + servers


def _row(name: str, steps: Sequence[dict], seen: Seen, now: float) -> Row:
    done = sum(step["state"] == "done" for step in steps)
    for state in ("reverting", "failed", "running"):
        if at := next((step for step in steps if step["state"] == state), None):
            seconds = _took(steps) if state == "failed" else now - seen.since[_key(at)]
            return Row(name, done, len(steps), at["name"], state, seconds)
    if done == len(steps):
        return Row(name, done, len(steps), "", "done", _took(steps))
    taken_back = any(step["state"] == "reverted" for step in steps)
    return Row(name, done, len(steps), "", "reverted" if taken_back else "waiting", None)


def fitting(all_rows: Sequence[Row], height: int) -> tuple[list[Row], str]:
    """At most ``height`` lines: the rows, without those that are done, then those that wait, where they are
    too many, and a line that counts these."""
    shown = list(all_rows)
    for state in ("done", "reverted", "waiting"):
        while len(shown) >= height and (at := _last(shown, lambda row, state=state: row.state == state)):
            shown.remove(at)
    shown = shown[: max(height - 1, 1)] if len(shown) >= height else shown
    left_out = collections.Counter(row.state for row in all_rows) - collections.Counter(
        row.state for row in shown
    )
    count = sum(left_out.values())
    return (
        shown,
        f"and {count} more: {', '.join(f'{n} {state}' for state, n in left_out.items())}" if count else "",
    )


def _last(shown: Sequence[Row], fits: Callable[[Row], bool]) -> Row | None:
    return next((row for row in reversed(shown) if fits(row)), None)


def trouble(deployment: dict) -> str:
    """Why it is being taken back, while it is; else nothing."""
    if deployment["status"] != "reverting":
        return ""
    failed = next((step for step in deployment.get("steps", ()) if step["state"] == "failed"), None)
    return (
        f"Taking it back: {failed['name']}: {failed.get('detail') or 'failed'}"
        if failed
        else "Taking it back"
    )


def _key(step: dict) -> Key:
    return step["name"], step["target"]


def _took(steps: Sequence[dict]) -> float | None:
    """From the first that began to the last that ended."""
    begun = [_time(step["started_at"]) for step in steps if step.get("started_at")]
    ended = [_time(step["finished_at"]) for step in steps if step.get("finished_at")]
    return (max(ended) - min(begun)).total_seconds() if begun and ended else None


def _time(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
