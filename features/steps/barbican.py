"""Keys of the vault in a real Barbican."""

import sqlite3

from behave import given, then
from harness import barbican, clouds
from harness.barbican import Barbican
from harness.own import own_gateway


@given("a Barbican")
def step_barbican(context):
    if not barbican.installed:
        context.left_out.append(context.scenario.name)
        context.scenario.skip("needs Debian's barbican-api")
        return
    context.barbican = Barbican(context.folder / "barbican")
    context.add_cleanup(context.barbican.stop)
    context.barbican.start()


@given("a gateway of the scenario's own whose keys are in Barbican")
def step_gateway_with_barbican(context):
    login = clouds.cloud("gateway").config.config["auth"]
    kept = {"auth_type": "keystone_password", **login}
    own_gateway(context, {"secrets": {"backend": "castellan"}, "key_manager": kept})


@then("Barbican has {count:d} keys of it")
@then("Barbican has {count:d} key of it")
def step_has_keys(context, count):
    conn = clouds.cloud("gateway")
    names = [secret.name for secret in conn.key_manager.secrets() if secret.secret_type == "symmetric"]
    assert len([name for name in names if name.startswith("gateway-")]) == count, names


@then("there is no key in its folder")
def step_no_key_files(context):
    assert not (context.gateway.state / "keys").exists()
    with sqlite3.connect(context.gateway.state / "gateway.db") as connection:
        (sealed,) = connection.execute("SELECT private_key FROM signing_keys").fetchone()
    assert sealed.startswith("gAAAA"), "not sealed"
