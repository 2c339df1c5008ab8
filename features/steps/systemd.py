"""gatewayd as services of a machine's systemd, by the operator's commands."""

import concurrent.futures
import pathlib
import re
import textwrap
import threading
import time

import requests
from behave import given, then, when
from harness.client import Client
from harness.gatewayd import Gatewayd
from harness.own import folder

_GUIDE = pathlib.Path(__file__).parents[2] / "doc/source/operating.rst"
_BACK_IN = 120  # seconds
_MOST_EXPOSED = 2.0


def _of_the_guide(name: str) -> str:
    """The commands that stand in the operator's guide under this name."""
    block = rf"\.\. code-block:: shell\n   :name: {name}\n\n((?:   .*\n|\n)+)"
    return textwrap.dedent(re.search(block, _GUIDE.read_text())[1])


@given("a machine on which the gateway is installed as the guide says")
def step_machine(context):
    """One for all scenarios; what the last one has left is taken away."""
    machine = context.machine
    machine.run("systemctl stop 'gateway*.service'; rm -rf /var/lib/gateway /etc/systemd/system/gateway*.d")
    machine.run(_of_the_guide("install-units"))
    context.clearing.daemons.append(machine)  # to be shown when it fails
    options = {"DEFAULT": {"state_path": "/var/lib/gateway"}, "api": {"workers": 2}}
    made = Gatewayd(folder(context), options)
    context.configuration = made
    _configure(context)
    context.client = Client(made.url, context.called)
    context.names["gateway_url"] = made.url


def _configure(context) -> None:
    text = pathlib.Path(context.configuration.command[-1]).read_text()
    context.machine.run("cat > /etc/gateway/gateway.conf", text)


@given("its operator writes as a drop-in of {unit:S}")
def step_drop_in(context, unit):
    place = f"/etc/systemd/system/{unit}.service.d"
    context.machine.run(f"mkdir -p {place}; cat > {place}/own.conf; systemctl daemon-reload", context.text)


@given("{unit:S} runs")
@when("its operator starts {unit:S}")
def step_start(context, unit):
    context.machine.run(f"systemctl start {unit}")
    context.unit = unit


@when("its operator starts a unit for each role")
def step_start_roles(context):
    context.machine.run("systemctl start gateway-api gateway-engine gateway-monitor gateway-rpc")


@when("its operator stops {unit:S}")
def step_stop(context, unit):
    context.machine.run(f"systemctl stop {unit}")


@then("it answers at once")
def step_answers(context):
    """Without a try before it: systemctl has come back."""
    assert requests.get(f"{context.client.url}/healthcheck", timeout=30).status_code == 200


@then("gRPC is there at once")
def step_grpc(context):
    import grpc

    with grpc.insecure_channel(f"127.0.0.1:{context.configuration.rpc_port}") as channel:
        grpc.channel_ready_future(channel).result(timeout=30)


@then("its processes are the user gateway's, with no capability and no way to one")
def step_unprivileged(context):
    for pid in context.machine.processes(context.unit):
        status = context.machine.run(f"stat -c %U /proc/{pid}; cat /proc/{pid}/status")
        assert status.startswith("gateway\n"), status
        for line in (
            "CapEff:\t0000000000000000",
            "CapBnd:\t0000000000000000",
            "NoNewPrivs:\t1",
            "Seccomp:\t2",
        ):
            assert line in status, status


@then("what it keeps and its password are for nobody else to read")
def step_private(context):
    others = "find /var/lib/gateway /etc/gateway/gateway.conf -perm /007"
    assert context.machine.run(others) == "", context.machine.run(f"{others} -ls")


@when("requests come all the time")
def step_requests(context):
    """From four clients, each on one connection after another."""
    context.requests_end = threading.Event()
    pool = concurrent.futures.ThreadPoolExecutor(4)
    context.requests = [pool.submit(_ask_on, context.client.url, context.requests_end) for _ in range(4)]
    context.add_cleanup(context.requests_end.set)


def _ask_on(url: str, end: threading.Event) -> int:
    """How often; raises where one is not answered."""
    count = 0
    while not end.wait(0.05):  # they leave the others some of the machine
        requests.get(f"{url}/healthcheck", timeout=60).raise_for_status()
        count += 1
    return count


@when("its operator sets [{section:w}] {option:w} = {value} and reloads {unit:S}")
def step_reload(context, section, option, value, unit):
    context.before = context.machine.processes(unit)
    context.configuration.configure({section: {option: value}})
    _configure(context)
    context.machine.run(f"systemctl reload {unit}")


@then("none of the requests was lost")
def step_none_lost(context):
    context.requests_end.set()
    counts = [future.result(120) for future in context.requests]
    assert min(counts) > 1, counts


@when("{signal:w} hits {what}")
def step_signal(context, signal, what):
    """``what``: its first process, or the one with that title."""
    context.before = context.machine.processes(context.unit)
    titles = {"its first process": "master process", "its API's first worker": "api worker(0)"}
    (pid,) = (pid for pid, title in context.before.items() if titles[what] in title)
    context.hit = pid
    context.machine.run(f"kill -{signal.removeprefix('SIG')} {pid}")


@then("soon it serves again, with one other process")
def step_back_one(context):
    _wait_until_back(context, all_=False)


@then("soon it serves again, with all other processes")
def step_back(context):
    _wait_until_back(context, all_=True)


def _wait_until_back(context, all_: bool) -> None:
    deadline = time.monotonic() + _BACK_IN
    while not _is_back(context, all_):
        assert time.monotonic() < deadline, context.machine.tail()
        time.sleep(0.5)


def _is_back(context, all_: bool) -> bool:
    if context.machine.shown(context.unit, "ActiveState") != "active":
        return False
    now = context.machine.processes(context.unit)
    kept = set(now) & set(context.before)
    same = set() if all_ else set(context.before) - {context.hit}
    if kept != same or len(now) != len(context.before):
        return False
    try:
        return requests.get(f"{context.client.url}/healthcheck", timeout=30).status_code == 200
    except requests.RequestException:
        return False


@then('the journal of {unit:S} says "{text}"')
def step_journal(context, unit, text):
    said = context.machine.run(f"journalctl --no-pager --output=cat --unit={unit}")
    assert text in said, said[-3000:]


@then("{unit:S} has ended with {code:d}")
def step_ended(context, unit, code):
    shown = {name: context.machine.shown(unit, name) for name in ("ActiveState", "Result", "ExecMainStatus")}
    assert shown == {"ActiveState": "inactive", "Result": "success", "ExecMainStatus": str(code)}, shown


@then("each unit runs its role alone")
def step_roles(context):
    for role in ("api", "engine", "monitor", "rpc"):
        unit = f"gateway-{role}"
        assert context.machine.shown(unit, "ActiveState") == "active", context.machine.tail()
        titles = [t for t in context.machine.processes(unit).values() if "master process" not in t]
        assert titles, unit
        assert all(f"{role} worker" in title for title in titles), titles


@then("systemd finds every unit well-formed and little exposed")
def step_secure(context):
    units = context.machine.run("cd /etc/systemd/system && ls gateway*.service").split()
    assert len(units) == 5, units
    assert context.machine.run(f"systemd-analyze verify {' '.join(units)} 2>&1") == ""
    for unit in units:
        said = context.machine.run(f"systemd-analyze security --no-pager {unit}")
        level = float(re.search(r"Overall exposure level for \S+: ([\d.]+)", said)[1])
        assert level <= _MOST_EXPOSED, said
