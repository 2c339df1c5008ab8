"""The features are the specification, run against a real gatewayd on a real OpenStack.

    devstack/aio/cloud exec .venv/bin/behave                # everything
    devstack/aio/cloud exec .venv/bin/behave features/registry.feature -n best
    OS_CLOUD=mine .venv/bin/behave -D image=… -D flavor=…   # on a cloud of one's own, as one user of it
    … -D others -D gone_in=5     # while others work in the same project: what is left is only shown
    FEATURES_SECOND=-2 …         # beside another run, in the second ones of devstack/aio's projects
    … -D calls=FILE              # writes what was called there (devstack/features runs two at once)

Tags: @aio needs devstack/aio's users and networks, @admin its cloud admin; with OS_CLOUD both are left out,
and said so; so is @barbican without Debian's package barbican-api, @etcd without etcd-server, @chromium
without chromium and chromium-driver, @container without podman and what it needs (devstack/features builds
its image before), @systemd without systemd-nspawn and the machine that devstack/machine makes for it, and
@databases without mariadb-server, postgresql and redis-server, which are started when the first of such
scenarios needs them. @servers uses the two servers that all such scenarios share: they are asked for at the
very beginning. What needs guests is in ``guests/``, the rest never boots any.
"""

import pathlib
import shutil
import signal
import tempfile
import time

from behave import register_type
from behave.model import Status
from harness import barbican, browser, clouds, container, databases, machine, names
from harness.clearing import Clearing, empty_registry
from harness.client import Client
from harness.gatewayd import Gatewayd, free_port
from harness.running import NODE_MODULES, promtool
from harness.servers import SharedServers
from parse import with_pattern

from gateway.tests import url_table


@with_pattern("nobody|" + "|".join(clouds.USERS))
def _who(text):
    return text


@with_pattern(r'"[^"]*"|-?[0-9.]+|true|false|null|\[.*\]|{.*}')
def _json(text):
    return text


@with_pattern("gateway|openstack")
def _program(text):
    return text


register_type(Who=_who, Json=_json, Program=_program)  # before the steps are loaded

_FEATURES = pathlib.Path(__file__).parent
_GONE_IN = "120"  # seconds in which Nova and Neutron must have deleted what was deleted; behave -D gone_in=…


def before_all(context):
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: whoever ends us, we clear away
    context.folder = pathlib.Path(tempfile.mkdtemp(prefix="gateway-features-"))
    context.before_run = {name: clouds.holdings(name) for name in clouds.MEMBERS}
    context.called = set()
    context.left_out = []
    context.went_wrong = []
    context.gateway = Gatewayd(context.folder / "gatewayd", {"metrics": {"port": free_port()}})
    context.client = Client(context.gateway.url, context.called)
    context.bystander = Client(context.gateway.url, set())  # whose calls are none of a scenario's
    context.names = names.of_the_cloud(context.config.userdata)
    context.shared = SharedServers(context.client, context.names)
    context.gateway.start()
    runs = [scenario for scenario in _scenarios(context) if scenario.should_run(context.config)]
    if any("servers" in scenario.effective_tags for scenario in runs):
        context.shared.ask_for()


def before_feature(context, feature):
    """Where its scenarios share a machine."""
    if "systemd" in feature.tags and machine.installed():
        context.machine = machine.Machine(context.folder)
        context.add_cleanup(context.machine.close)


def before_scenario(context, scenario):
    lacking = _lacking(set(scenario.effective_tags))
    if lacking:
        context.left_out.append(f"{scenario.name} (needs {lacking})")
        scenario.skip(f"needs {lacking}")
        return
    context.names = dict(context.names, gateway_url=context.client.url)
    context.clearing = Clearing(context.shared, "others" in context.config.userdata)


def _lacking(tags: set[str]) -> str | None:
    """What a scenario with these tags needs and is not here."""
    if clouds.OWN_CLOUD and {"aio", "admin"} & tags:
        return "devstack/aio"
    if "barbican" in tags and not barbican.installed:
        return "apt-get install barbican-api"
    if "databases" in tags and not databases.installed:
        return "apt-get install mariadb-server postgresql redis-server"
    if "etcd" in tags and not shutil.which("etcd"):
        return "apt-get install etcd-server"
    if "container" in tags and not container.installed:
        return "apt-get install buildah podman crun catatonit debootstrap etcd-server, and root"
    if "promtool" in tags and not promtool():
        return "Prometheus' promtool, on the path or where devstack/features puts it"
    if "systemd" in tags and not machine.installed():
        return "root, apt-get install debootstrap systemd-container, and the machine of devstack/machine"
    if "chromium" in tags and not browser.installed:
        return "apt-get install chromium chromium-driver"
    if "node" in tags and not (shutil.which("node") and (NODE_MODULES / "consul").is_dir()):
        return "node, and npm's consul where devstack/features puts it"
    return None


def after_scenario(context, scenario):
    failed = scenario.status in (Status.failed, Status.error)
    if failed:
        context.went_wrong += _what_went_wrong(scenario)
        for daemon in (context.gateway, *context.clearing.daemons):
            print(f"--- the end of {daemon.log}\n{daemon.tail()}\n---")
    if scenario.status != Status.skipped:
        _clear(context, scenario)


def _clear(context, scenario):
    try:
        context.clearing.clear(_gone_by(context))
        empty_registry(context.bystander)
    except Exception as error:  # of a hook behave says no more than that it failed
        context.went_wrong.append(f"{scenario.location} {scenario.name}: afterwards\n{str(error)[:800]}")
        raise


def after_all(context):
    try:
        browser.close()
        context.shared.delete()
        left = clouds.left_since(context.before_run, set(), _gone_by(context))
        assert not left, "left behind by the run:\n  " + "\n  ".join(left)
    finally:
        context.gateway.stop()
    _say_what_was_left_out(context)
    for lines in context.went_wrong:  # once more, in short: the end of a long output is what people see
        print(f"\n*** {lines}")
    if "calls" in context.config.userdata:
        calls = "".join(f"{method} {path}\n" for method, path in sorted(context.called))
        pathlib.Path(context.config.userdata["calls"]).write_text(calls)
    elif _whole(context):
        untouched = url_table.untouched(context.called)
        assert not untouched, "no scenario calls " + ", ".join(map(str, untouched))
    if not context.failed:
        shutil.rmtree(context.folder)


def _what_went_wrong(scenario) -> list[str]:
    return [
        f"{scenario.location} {scenario.name}: {step.name}\n{str(step.exception)[:800]}"
        for step in scenario.all_steps
        if step.exception is not None
    ]


def _gone_by(context) -> float:
    return time.monotonic() + float(context.config.userdata.get("gone_in", _GONE_IN))


def _scenarios(context):
    return [scenario for feature in context._runner.features for scenario in feature.walk_scenarios()]


def _whole(context) -> bool:
    """Whether every scenario of every feature ran: else the table cannot be judged."""
    files = {str(path.resolve()) for path in _FEATURES.rglob("*.feature")}
    seen = {str(pathlib.Path(feature.filename).resolve()) for feature in context._runner.features}
    over = {Status.passed, Status.failed, Status.error}
    return files == seen and all(scenario.status in over for scenario in _scenarios(context))


def _say_what_was_left_out(context) -> None:
    if context.left_out:
        count = len(context.left_out)
        print(f"\n*** LEFT OUT: {count} scenarios:")
        for name in context.left_out:
            print(f"***   {name}")
