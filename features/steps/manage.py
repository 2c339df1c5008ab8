"""The operator: gateway-manage, and what he does to the daemon's own files."""

import contextlib
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator

import sqlalchemy as sa
from behave import then, when
from harness import clouds
from harness.asking import call
from harness.names import filled

from gateway import conf as options
from gateway.db import Database, schema

_SOON = 120  # seconds


@when("I run gateway-{command:w} {arguments}")
def step_manage(context, command, arguments):
    """gateway-manage, or gateway-status."""
    program = [sys.executable, "-m", f"gateway.{command}", *context.gateway.command[1:]]
    context.ran = subprocess.run(
        [*program, *shlex.split(filled(arguments, context.names))],
        capture_output=True,
        text=True,
        timeout=_SOON * 2,
        stdin=subprocess.DEVNULL,
    )


@then('it does not print "{text}"')
def step_prints_not(context, text):
    assert filled(text, context.names) not in context.ran.stdout, context.ran


@contextlib.contextmanager
def _database(context) -> Iterator[sa.Connection]:
    engine = sa.create_engine(context.gateway.database, poolclass=sa.NullPool)
    with engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            connection.execute(sa.text("PRAGMA foreign_keys=ON"))
        yield connection


@when("its database is a new one")
def step_new_database(context):
    context.gateway.exit_code()
    context.gateway.new_database()


@when("its database is of the release with schema {revision:S}")
def step_old_database(context, revision):
    """A new one, brought so far."""
    step_new_database(context)
    conf = options.load([str(each) for each in context.gateway.command[1:]])
    schema.upgrade(Database(conf), revision)


@when("its database forgets the deployment")
def step_forget(context):
    """As an operator who restores a backup from before it."""
    it = {"id": context.names["deployment"]}
    with _database(context) as connection:
        found = sa.text("SELECT trust_id FROM deployments WHERE id = :id")
        context.forgotten_trust = connection.scalar(found, it)
        connection.execute(sa.text("DELETE FROM deployments WHERE id = :id"), it)


@then("Keystone no longer has the trust of the forgotten deployment")
def step_no_trust(context):
    answer = clouds.as_user("a member").identity.get(f"/OS-TRUST/trusts/{context.forgotten_trust}")
    assert answer.status_code == 404, answer.text


@then("its database has {count:d} sealed signing key")
def step_signing_keys(context, count):
    """As many as before: what was sealed could be opened, else another would have been made."""
    with _database(context) as connection:
        rows = connection.execute(sa.text("SELECT private_key FROM signing_keys")).all()
    assert len(rows) == count, len(rows)
    assert all(key.startswith("gAAAA") for (key,) in rows), "not sealed"


@when("others may read its keys")
def step_open_keys(context):
    (context.gateway.state / "keys").chmod(0o755)


@when("I start its daemon anew")
def step_start_anew(context):
    context.gateway.exit_code()
    context.ended = subprocess.run(context.gateway.command, capture_output=True, text=True, timeout=60)


@then('its daemon\'s log says "{text}"')
def step_daemon_log(context, text):
    assert text in context.gateway.log.read_text(), context.gateway.tail()


@when("it is gone")
def step_gone(context):
    deadline = time.monotonic() + _SOON
    path = filled("/v1/deployments/{deployment}", context.names)
    while call(context, "a member", "GET", path).status_code != 404:
        assert time.monotonic() < deadline, context.answer.text
        time.sleep(0.5)


def _of(context, deployment: str) -> list[str]:
    """What Nova and Neutron have of a deployment, by its marks."""
    id = filled(deployment, context.names)
    conn = clouds.as_user("a member")
    servers = [s for s in conn.compute.servers() if s.metadata.get("gateway_deployment") == id]
    ips = [ip for ip in conn.network.ips() if id in (ip.description or "")]
    groups = [group for group in conn.network.security_groups() if id in group.name]
    kinds = ("server", servers), ("floating IP", ips), ("security group", groups)
    return [kind for kind, found in kinds if found]


@then("OpenStack has a {kinds} of {deployment:S}")
def step_has(context, kinds, deployment):
    wanted = kinds.replace(" and a ", ", a ").split(", a ")
    assert _of(context, deployment) == wanted, _of(context, deployment)


@then("OpenStack has nothing of {deployment:S}")
def step_has_nothing(context, deployment):
    assert not _of(context, deployment), _of(context, deployment)


@then("OpenStack soon has nothing of {deployment:S}")
def step_soon_has_nothing(context, deployment):
    deadline = time.monotonic() + _SOON
    while _of(context, deployment):
        assert time.monotonic() < deadline, f"{_of(context, deployment)}\n{context.gateway.tail()}"
        time.sleep(1)
