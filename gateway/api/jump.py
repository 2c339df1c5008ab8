"""What a deployment's server.jump stands for: the server through which its servers are reached."""

from gateway import errors
from gateway.api.auth import Context
from gateway.api.collection import referred
from gateway.cloud.openstack import Cloud
from gateway.deploy import recipe, ssh
from gateway.deploy.model import Access, Jump, Trust
from gateway.deploy.store import DeploymentStore
from gateway.deploy.tunnel import KINDS

_PLACE = "deployment.server.jump"


def wanted_jump(
    wish: dict,
    context: Context,
    cloud: Cloud,
    store: DeploymentStore,
    before: Jump | None,
    key_before: str | None,
) -> tuple[Jump | None, str | None]:
    """With the server's id, address and host keys as they are now; and the private key that has come for it,
    if one has. ``before`` and ``key_before``: those of the release that runs. Raises Invalid for what is not
    there, what nobody knows a key of, and what does not go together with a jump host."""
    given = wish["server"].get("jump")
    if given is None:
        return None, None
    _check_reach(wish)
    check_keys(given, _PLACE)
    server = referred(f"{_PLACE}.server", cloud.server, given["server"])
    if before and before.server == server.id and key_before:
        given = _with_known_key(given, before, key_before)
    known = store.access(context.project_id, server.id)
    if known is None and "private_key" not in given:
        raise _invalid(
            "gateway.deployment.private_key",
            f"{_PLACE}.private_key",
            f"the gateway did not boot server {server.id}; give a key and user.",
        )
    address = server.address()
    if address is None:
        raise _invalid("gateway.deployment.jump", f"{_PLACE}.server", f"{server.name} has no address yet.")
    host_keys, trust = _host_keys(given, known, cloud, server.id)
    jump = Jump(server.id, address, given.get("user") or known.user, host_keys, trust)
    return jump, given.get("private_key")


def _with_known_key(given: dict, before: Jump, key_before: str) -> dict:
    """What came with the release before need not come again, while it is the same server."""
    if "private_key" in given:
        return given
    known = {"user": before.user, "private_key": key_before}
    if before.trust is Trust.GIVEN:
        known["host_key"] = before.host_keys[0]
    return known | given


def check_keys(given: dict, place: str) -> None:
    """``private_key`` and ``host_key`` as far as they are given. Raises Invalid."""
    for name, parse in (("host_key", ssh.parse_host_key), ("private_key", ssh.parse_private_key)):
        if name in given:
            try:
                parse(given[name])
            except errors.Invalid as error:
                raise errors.Invalid(error.code, error.message, field=f"{place}.{name}") from error


def _check_reach(wish: dict) -> None:
    """A service that only the jump host reaches is checked through it, where there is no TLS."""
    if "floating_network" in wish["server"]:
        place = "deployment.server.floating_network"
        raise _invalid("gateway.deployment.jump", place, "leave it out where servers are behind a jump host.")
    if wish.get("proto", "http") not in KINDS:
        raise _invalid("gateway.deployment.jump", "deployment.proto", "must be http behind a jump host.")
    if wish.get("health", {}).get("kind", KINDS[0]) not in KINDS:
        place = "deployment.health.kind"
        raise _invalid("gateway.deployment.jump", place, f"must be {' or '.join(KINDS)} behind a jump host.")


def _host_keys(
    given: dict, known: Access | None, cloud: Cloud, server_id: str
) -> tuple[tuple[str, ...], Trust]:
    if "host_key" in given:
        return (given["host_key"],), Trust.GIVEN
    if known and known.host_key:
        return (known.host_key,), known.trust
    printed = recipe.host_keys_on_console(cloud.console_log(server_id))
    if not printed:
        raise _invalid(
            "gateway.ssh.host_key_unknown",
            f"{_PLACE}.host_key",
            f"that of server {server_id} is not known and not on its console; give it.",
        )
    return printed, Trust.CONSOLE


def _invalid(code: str, field: str, message: str) -> errors.Invalid:
    return errors.Invalid(code, f"{field}: {message}", field=field)
