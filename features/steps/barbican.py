"""Keys of the vault in a real Barbican."""

from behave import given, then
from harness import clouds
from harness.barbican import Barbican
from harness.own import own_gateway


@given("a Barbican")
def step_barbican(context):
    context.barbican = Barbican(context.folder / "barbican")
    context.add_cleanup(context.barbican.stop)
    context.barbican.start()


@given("a gateway of the scenario's own whose keys are in Barbican")
def step_gateway_with_barbican(context):
    login = clouds.cloud("gateway").config.config["auth"]
    kept = {"auth_type": "keystone_password", **login}
    options = {"secrets": {"backend": "castellan"}, "key_manager": kept}
    own_gateway(context, {**options, "barbican": {"auth_endpoint": login["auth_url"]}})


@then("Barbican has {count:d} keys of it")
@then("Barbican has {count:d} key of it")
def step_has_keys(context, count):
    conn = clouds.cloud("gateway")
    names = [secret.name for secret in conn.key_manager.secrets() if secret.secret_type == "symmetric"]
    assert len([name for name in names if name.startswith("gateway-")]) == count, names


@then("there is no key in its folder")
def step_no_key_files(context):
    assert not (context.gateway.state / "keys").exists()
