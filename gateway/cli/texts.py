"""A deployment as lines of text. Pure."""

import re

_CONSOLE_LINES = 8  # shown of a console
_CANCELED = "cancel"  # the step of a fault that is a wish


def title(deployment: dict) -> str:
    return " ".join(filter(None, (deployment["service"], deployment.get("version"))))


def change(deployment: dict) -> str:
    """What was asked for: hello 1.0.0 → 2.0.0, release 2, batches of 1."""
    releases = deployment.get("releases", ())
    before = next((each["version"] for each in releases if each["state"] == "current"), None)
    if before is None:
        return title(deployment)
    wanted = title(deployment)
    if before != deployment["version"]:
        wanted = f"{deployment['service']} {before} → {deployment['version']}"
    return ", ".join([wanted, f"release {deployment['release']}", *_by_aims(deployment)])


def _by_aims(deployment: dict) -> list[str]:
    aims = [each["aim"] for each in deployment["instances"]]
    told = [f"batches of {deployment['spec']['update']['batch']}"] if "update" in aims else []
    for aim, what in (("add", "more"), ("remove", "fewer")):
        if count := aims.count(aim):
            told.append(f"{count} server{'' if count == 1 else 's'} {what}")
    return told


def printable(text: str) -> str:
    """One line, without what would move the cursor of who reads it or colour his screen (ECMA-48)."""
    plain = re.sub(r"\x1b(\[[0-?]*[ -/]*[@-~]|[@-Z\\-_])", "", text)
    return "".join(each if each.isprintable() or each == "\t" else " " for each in plain)


def log_lines(entry: dict) -> list[str]:
    """One for each line that was printed."""
    lines = entry["text"].rstrip().splitlines() or [""]
    return [f"{_when_where(entry)}: {printable(line)}" for line in lines]


def step_line(event: dict) -> str:
    detail = f": {printable(event['detail'])}" if event["detail"] else ""
    return f"{_when_where(event)} {event['state']}{detail}"


def status_line(event: dict, deployment: dict) -> str:
    return f"{event['at'][11:19]} {title(deployment)} is {event['status']}"


def _when_where(entry: dict) -> str:
    return f"{entry['at'][11:19]} {step_name(entry['step'], entry['target'])}"


def step_name(step: str, target: int | None) -> str:
    return step if target is None else f"{step} #{target}"


def fault_line(deployment: dict) -> str:
    """Why it failed, where, what runs now, and under which request id the operator finds more."""
    fault, request = deployment.get("fault"), f"request id {deployment.get('request_id')}"
    if not fault:
        return f"{title(deployment)} is {deployment['status']} ({request})"
    failed = f"{deployment['service']} {_failed_version(deployment)}"
    message = printable(fault["message"])
    if deployment["status"] == "rolled_back":
        message = f"{message.removesuffix('.')}; {deployment['version']} runs again"
    how = "was taken back" if fault["step"] == _CANCELED else f"failed at {_place(fault)}"
    return f"{failed} {how}: {message} ({fault['code']}, {request})"


def _failed_version(deployment: dict) -> str:
    """Once it is rolled back, the deployment is the release before again."""
    failed = [each for each in deployment.get("releases", ()) if each["state"] == "failed"]
    newer = [each["version"] for each in failed if each["number"] > deployment["release"]]
    return newer[0] if deployment["status"] == "rolled_back" and newer else deployment["version"]


def _place(fault: dict) -> str:
    return fault["step"] + ("" if fault["target"] is None else f" on server #{fault['target']}")


def evidence(fault: dict) -> list[str]:
    """The last lines of the server's console and of the service's journal, each under a heading."""
    told = []
    for heading, lines in (
        (f"Console of server #{fault['target']}:", (fault.get("console") or ())[-_CONSOLE_LINES:]),
        (f"Journal of the service on server #{fault['target']}:", fault.get("journal") or ()),
    ):
        told += [heading, *(f"  | {printable(line)}" for line in lines)] if lines else []
    return told


def fault_lines(fault: dict) -> list[str]:
    return [f"{_place(fault)}: {printable(fault['message'])} ({fault['code']})", *evidence(fault)]
