"""Instances that a deployment or the broker has registered: by hand little of them changes."""

import dataclasses

from gateway import errors
from gateway.registry.model import Instance


def check(instance: Instance, done: str) -> None:
    """Raises Conflict (``gateway.registry.deployed``, ``.attached``) for such an instance."""
    if instance.provider is not None:
        raise errors.Conflict(
            "gateway.registry.attached",
            f"{instance.name} is a provider and cannot be {done} here: use "
            f"/v1/providers/{instance.provider}.",
        )
    if instance.deployment_id is not None:
        raise errors.Conflict(
            "gateway.registry.deployed",
            f"{instance.name} belongs to the deployment {instance.deployment_id} and cannot be {done} here: "
            f"use /v1/deployments/{instance.deployment_id}.",
        )


def check_changes(before: Instance, after: Instance) -> None:
    """As ``check``, unless only weight and tags change."""
    if dataclasses.replace(after, weight=before.weight, tags=before.tags) != before:
        check(before, "changed, except for its weight and tags")
