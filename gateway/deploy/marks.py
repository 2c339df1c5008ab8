"""How what a deployment makes in OpenStack is marked: with its gateway and itself. Pure.

Servers say it in their metadata; floating IPs, security groups and trusts, which have none, in their
description.
"""

import re

OWNER_TAG = "gateway_owner"
DEPLOYMENT_TAG = "gateway_deployment"
TARGET_TAG = "gateway_target"

_DESCRIPTION = re.compile(r"gateway (\S+) deployment (\S+)(?: target \d+)?")


def tags(owner: str, deployment_id: str, number: int) -> dict[str, str]:
    """The metadata of a server; ``owner`` is the gateway's id."""
    return {OWNER_TAG: owner, DEPLOYMENT_TAG: deployment_id, TARGET_TAG: str(number)}


def description(owner: str, deployment_id: str, number: int | None = None) -> str:
    """Of a security group or a trust, or of the floating IP of target ``number``."""
    mark = f"gateway {owner} deployment {deployment_id}"
    return mark if number is None else f"{mark} target {number}"


def marked(metadata: dict[str, str]) -> tuple[str, str] | None:
    """(owner, deployment) of a server; None where it is not a deployment's, as one booted for a user."""
    owner, deployment_id = metadata.get(OWNER_TAG), metadata.get(DEPLOYMENT_TAG)
    return (owner, deployment_id) if owner and deployment_id else None


def described(text: str | None) -> tuple[str, str] | None:
    """(owner, deployment) of what has this description; None where it is not a deployment's."""
    found = _DESCRIPTION.fullmatch(text or "")
    return (found[1], found[2]) if found else None
