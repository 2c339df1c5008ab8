"""What only the cloud's users and admin do, straight in OpenStack."""

import base64
import time
import uuid

import requests
from behave import given, then, when
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from harness import clouds
from harness.asking import call
from harness.names import filled


@given("the quota of another project is {limit:d} {resource:w}")
def step_quota(context, limit, resource):
    project_id = clouds.as_user("a stranger").current_project_id
    context.add_cleanup(clouds.set_quota, project_id, resource, clouds.quota(project_id, resource))
    clouds.set_quota(project_id, resource, limit)


@given("a private key that no server knows")
def step_private_key(context):
    key = ed25519.Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    # in double quotes of YAML, hence the escapes
    context.names["private_key"] = private.decode().replace("\n", "\\n")
    context.names["public_key"] = public.decode()


@given("a server that Nova booted without the gateway")
def step_foreign_server(context):
    """Never waited for: it need not run."""
    _boot_foreign(context)


@given("a server that Nova booted with that key, without the gateway")
def step_foreign_server_with_key(context):
    keys = f"#cloud-config\nssh_authorized_keys: ['{context.names['public_key']}']\n"
    server = _boot_foreign(context, user_data=base64.b64encode(keys.encode()).decode())
    clouds.as_user("a member").compute.wait_for_server(server, wait=300)


@given("a server on {network} that Nova booted with that key, without the gateway")
def step_foreign_server_on(context, network):
    keys = f"#cloud-config\nssh_authorized_keys: ['{context.names['public_key']}']\n"
    user_data = base64.b64encode(keys.encode()).decode()
    server = _boot_foreign(context, filled(network, context.names), user_data=user_data)
    clouds.as_user("a member").compute.wait_for_server(server, wait=300)


def _boot_foreign(context, network=None, **attributes):
    context.clearing.begin(context.client)
    conn = clouds.as_user("a member")
    server = conn.compute.create_server(
        name=f"foreign-{uuid.uuid4().hex[:8]}",
        flavor_id=conn.compute.find_flavor(context.names["flavor"]).id,
        image_id=conn.image.find_image(context.names["image"]).id,
        networks=[{"uuid": conn.network.find_network(network or context.names["network"]).id}],
        **attributes,
    )
    context.clearing.servers.append((context.client, server.id))
    context.names["foreign_server"] = server.id
    return server


def _address(context, number: int) -> str:
    server = clouds.as_user("a member").compute.get_server(context.names[f"server_{number}"])
    return next(address["addr"] for found in server.addresses.values() for address in found)


@then("its security group opens tcp {first:d} and {second:d}")
def step_opens(context, first, second):
    """As Neutron says it."""
    network = clouds.as_user("a member").network
    group = next(network.security_groups(name=f"gateway-{context.names['deployment']}"))
    rules = [rule for rule in group.security_group_rules if rule["direction"] == "ingress"]
    opened = {(rule["protocol"], rule["port_range_min"], rule["port_range_max"]) for rule in rules}
    assert opened == {("tcp", port, port) for port in (first, second)}, opened


@then("nothing answers on port {port:d} of server {number:d}")
def step_nothing_answers(context, port, number):
    url = f"http://{_address(context, number)}:{port}/"
    try:
        answer = requests.get(url, timeout=5)
    except requests.RequestException:
        return
    raise AssertionError(f"{url} answers {answer.status_code}")


@then("within {seconds:d} seconds GET {path:S} answers {status:d} ten times with another host")
def step_other_host(context, seconds, path, status):
    """The service on server 0 is dead: nobody must be sent there any more."""
    deadline = time.monotonic() + seconds
    good = 0
    while good < 10:
        answer = context.client.call("a member", "GET", filled(path, context.names))
        is_other = answer.status_code == status and answer.json()["host"] != context.names["address"]
        good = good + 1 if is_other else 0
        assert time.monotonic() < deadline, f"after {seconds} s still {answer.status_code} {answer.text}"
        time.sleep(0.1)


@when("{who:Who} registers port {port:d} of server {number:d} as {type:w}")
def step_register_server(context, who, port, number, type):
    """A connection to it is the check."""
    place = {"host": _address(context, number), "port": port}
    service = {"proto": "http", "type": type, **place, "check": {"kind": "tcp", "timeout": 30}}
    call(context, who, "POST", "/registry/service", json=service)
