"""The operator of a DevStack, and its user."""

import shlex
import socket

import pymysql
import requests
from behave import given, then, when
from harness.databases import PASSWORD, USERNAME, server
from harness.devstack import DevStack
from harness.names import filled

_UNITS = {"gateway-api", "gateway-engine", "gateway-monitor", "gateway-rpc"}


@given("a DevStack whose local.conf enables the plugin")
def step_devstack(context):
    context.devstack = DevStack(context.folder, server(context, "mysql").port)
    context.add_cleanup(_end, context.devstack)
    context.devstack.write_local_conf()


def _end(devstack):
    if devstack.running() or devstack.in_keystone():
        devstack.write_local_conf()
        devstack.run("clean")


@when("{script:w}.sh is run")
def step_script(context, script):
    context.ran = context.devstack.run(script)


@when("stack.sh is run with {setting}")
def step_stack_with(context, setting):
    context.devstack.write_local_conf(setting)
    step_script(context, "stack")


@then("stack.sh ends with 1 and one line where local.conf has these")
def step_refused(context):
    for row in context.table:
        step_stack_with(context, row["setting"])
        assert context.ran.returncode == 1, context.ran
        (line,) = context.ran.stderr.splitlines()
        assert row["says"] in line, line


@then("it has done so")
def step_done(context):
    logs = [path.read_text()[-3000:] for path in context.devstack.folder.glob("logs/*.log")]
    assert context.ran.returncode == 0, "\n".join((context.ran.stdout, context.ran.stderr, *logs))


@then("the four units run, the API by {server:w}")
def step_units(context, server):
    running = context.devstack.running()
    assert set(running) == _UNITS, running
    assert server in running["gateway-api"], running
    assert all("gatewayd" in running[unit] for unit in _UNITS - {"gateway-api"}), running
    assert requests.get(context.devstack.url + "/healthcheck", timeout=20).ok
    port = int(_option(context, "rpc", "port"))
    socket.create_connection(("127.0.0.1", port), timeout=20).close()


@then("gateway.conf has [{section}] {option:S} = {value}")
def step_option(context, section, option, value):
    assert _option(context, section, option) == value


def _option(context, section, option):
    text = (context.devstack.configuration / "gateway.conf").read_text()
    lines = text.partition(f"[{section}]\n")[2].partition("\n[")[0].splitlines()
    return dict(line.split(" = ", 1) for line in lines if " = " in line)[option]


@then("Keystone has its service, a public, an internal and an admin endpoint, and its user")
def step_keystone_has(context):
    expected = ["endpoint admin", "endpoint internal", "endpoint public", "service gateway"]
    assert sorted(context.devstack.in_keystone()) == [*expected, f"user {context.devstack.name}"]


@when("its user runs openstack gateway {arguments}")
def step_openstack(context, arguments):
    context.ran = context.devstack.openstack(shlex.split(filled(arguments, context.names)))


@then("no unit runs, and Keystone has nothing of it")
def step_nothing_runs(context):
    assert not context.devstack.running(), context.devstack.running()
    assert not context.devstack.in_keystone(), context.devstack.in_keystone()


@then("nothing of it is left: no database, no configuration, no state")
def step_nothing_left(context):
    assert not context.devstack.files(), context.devstack.files()
    port = server(context, "mysql").port
    with (
        pymysql.connect(host="127.0.0.1", port=port, user=USERNAME, password=PASSWORD) as session,
        session.cursor() as cursor,
    ):
        assert not cursor.execute("SHOW DATABASES LIKE 'gateway'"), cursor.fetchall()
