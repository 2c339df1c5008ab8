"""A first service.yaml: what of the cloud's offer it names, and its text. Pure."""

import json
import re
from collections.abc import Sequence

import yaml

_LEAST_RAM = 512  # MiB: most images say nothing, and their systems do not come up with less
KINDS = ("image", "flavor", "network")  # in this order: the flavor must be large enough for the image


def fitting(kind: str, options: dict, image: dict | None) -> list[dict]:
    """Those of the cloud's ``kind`` (``options``: an answer of /v1/launch-options) that a service may run on,
    the most sensible first."""
    if kind == "image":
        images = [each for each in options["images"] if each["status"] == "active" and each["login_user"]]
        newest_first = sorted(images, key=lambda each: each["created_at"] or "", reverse=True)
        return sorted(newest_first, key=lambda each: each["login_user"] == "cirros")  # which has no systemd
    if kind == "flavor":
        ram, disk = max(_LEAST_RAM, image["min_ram"]), image["min_disk"]
        large = [each for each in options["flavors"] if each["ram"] >= ram and each["disk"] >= disk]
        return sorted(large, key=lambda each: (each["ram"], each["vcpus"], each["disk"], each["name"]))
    # On a shared network servers mostly are reached without a floating IP.
    inner = [each for each in options["networks"] if each["subnets"] and not each["external"]]
    return sorted(inner, key=lambda each: (not each["shared"], each["name"]))


def named(wanted: str, found: Sequence[dict]) -> dict | None:
    """By the number in a list of them, from 1, name or id; a name that several have is none."""
    if match := [each for each in found if wanted in (each["id"], each["name"])]:
        return match[0] if len(match) == 1 else None
    is_number = wanted.isascii() and wanted.isdigit()
    return found[int(wanted) - 1] if is_number and 0 < int(wanted) <= len(found) else None


def reference(chosen: dict, found: Sequence[dict]) -> str:
    """The name where it is the only one, else the id."""
    return chosen["name"] if named(chosen["name"], found) is chosen else chosen["id"]


def written(example: str, values: dict[str, str | int]) -> str:
    """``example``, a commented service.yaml, with these in place of its own."""
    for name, value in values.items():
        line = re.compile(rf"^( +{name}: ).*$", re.MULTILINE)
        example = line.sub(lambda match, value=value: match[1] + _scalar(value), example, count=1)
    return example


def _scalar(value: str | int) -> str:
    """As YAML has it: plain where that means the same."""
    text = str(value)
    is_plain = re.fullmatch(r"[\w/][\w./ -]*", text) and yaml.safe_load(text) == value
    return text if is_plain else json.dumps(value)
