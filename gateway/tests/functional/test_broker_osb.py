"""How the answers of an Open Service Broker are understood, by its specification's tables. A server answers
what the test says; see features/providers.feature for a whole broker."""

import dataclasses
import http.server
import json
import threading
import time
import urllib.parse

import pytest

from gateway import errors
from gateway.broker.broker import Broker, Reach
from gateway.broker.model import Fault, Pending, Plan, Status
from gateway.tests import brokered

PLAN = Plan(settings={"service_id": "s 1", "plan_id": "p1"})
REFUSED = Fault("gateway.provider.refused", "It refused.")


@pytest.fixture
def broker():
    """``answers``: (status, body, headers), one after the other; ``asked``: (method, URL, headers, body)."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def _do(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            path = urllib.parse.urlsplit(self.path)
            server.asked.append((self.command, path, self.headers, json.loads(body or b"null")))
            status, answer, *headers = server.answers.pop(0)
            data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(status)
            for name, value in [*headers, ("Content-Length", str(len(data)))]:
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_PUT = do_PATCH = do_DELETE = _do

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.answers, server.asked = [], []
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def driver(broker, tmp_path):
    url = f"http://localhost:{broker.server_address[1]}/base/"
    provider = dataclasses.replace(brokered.PROVIDER, type="osb", url=url)
    return Reach(brokered.configuration(tmp_path)).driver(provider)


def service(**fields):
    binding = brokered.binding(credentials=None)
    return brokered.service(**{"bindings": (binding,), **fields})


def pending(act):
    with pytest.raises(Pending) as raised:
        act()
    return raised.value


def query(asked):
    return dict(urllib.parse.parse_qsl(asked[1].query))


@pytest.mark.parametrize("status", [200, 201])
def test_provisioned(broker, driver, status):
    broker.answers = [(status, {})] * 2
    driver.ensure(service(), PLAN)
    driver.ensure(service(), PLAN)
    (method, url, headers, body), again = broker.asked
    assert (method, url.path) == ("PUT", again[1].path)
    assert url.path.startswith("/base/v2/service_instances/")
    assert query(broker.asked[0]) == {"accepts_incomplete": "true"}
    assert headers["X-Broker-API-Version"] == "2.17"
    assert headers["X-Broker-API-Originating-Identity"].startswith("openstack ")
    assert (body["service_id"], body["plan_id"], body["space_guid"]) == ("s 1", "p1", "project")


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ((200, b"[]"), "gateway.provider.answer"),
        ((201, b"nonsense"), "gateway.provider.answer"),
        ((204, b""), "gateway.provider.refused"),
        ((400, {"description": "No\nway."}), "gateway.provider.refused"),
        ((409, {}), "gateway.provider.refused"),
        ((422, {"error": "AsyncRequired"}), "gateway.provider.refused"),
        ((500, b""), "gateway.provider.refused"),
        ((202, {"operation": "x" * 10_001}), "gateway.provider.refused"),
    ],
)
def test_not_provisioned(broker, driver, answer, code):
    broker.answers = [answer]
    with pytest.raises(errors.ProviderError) as refused:
        driver.ensure(service(), PLAN)
    assert refused.value.code == code
    assert "\n" not in refused.value.message


def test_one_that_does_something_else_just_now_is_asked_again(broker, driver):
    broker.answers = [(422, {"error": "ConcurrencyError"}, ("Retry-After", "7"))]
    waits = pending(lambda: driver.ensure(service(), PLAN))
    assert (waits.operation, waits.after) == (None, 7.0)


@pytest.mark.parametrize("called", ["of ours/1", ""])
def test_provisioned_later(broker, driver, called):
    broker.answers = [(202, {"operation": called} if called else {}, ("Retry-After", "3"))]
    waits = pending(lambda: driver.ensure(service(), PLAN))
    assert (waits.about.id, waits.after) == (service().id, 3.0)
    begun = service(operation=waits.operation)
    broker.answers = [(200, {"state": "in progress"}), (500, b""), (410, {}), (200, {"state": "succeeded"})]
    for _ in range(3):
        assert pending(lambda: driver.ensure(begun, PLAN)).operation == waits.operation
    driver.ensure(begun, PLAN)
    looked = broker.asked[-1]
    assert looked[1].path.endswith("/last_operation")
    ids = {"service_id": "s 1", "plan_id": "p1"}
    assert query(looked) == ids | ({"operation": called} if called else {})


def test_failed_later(broker, driver):
    broker.answers = [(200, {"state": "failed", "description": "No room."})]
    with pytest.raises(errors.ProviderError, match=r"No room\."):
        driver.ensure(service(operation="provision:1"), PLAN)


def test_a_service_changes_to_another_plan_only(broker, driver):
    driver.ensure(service(status=Status.UPDATING, in_force="free"), PLAN)
    assert not broker.asked
    broker.answers = [(202, {"operation": "o"}), (200, {"state": "succeeded"})]
    changing = service(status=Status.UPDATING, in_force="big")
    waits = pending(lambda: driver.ensure(changing, PLAN))
    driver.ensure(dataclasses.replace(changing, operation=waits.operation), PLAN)
    assert [method for method, *_ in broker.asked] == ["PATCH", "GET"]
    assert query(broker.asked[1]) == {"service_id": "s 1", "operation": "o"}


def test_bound_later(broker, driver):
    broker.answers = [
        (202, {"operation": "o"}),
        (200, {"state": "succeeded"}),
        (200, {"credentials": {"a": 1}}),
    ]
    made = service()
    waits = pending(lambda: driver.bind(made, made.bindings[0], PLAN))
    begun = dataclasses.replace(waits.about, operation=waits.operation)
    assert driver.bind(made, begun, PLAN) == {"a": 1}
    methods = [method for method, *_ in broker.asked]
    assert methods == ["PUT", "GET", "GET"]


def test_a_binding_that_works_stays_as_it_is(broker, driver):
    made = service(bindings=(brokered.binding(status=Status.READY),))
    assert driver.bind(made, made.bindings[0], PLAN) == made.bindings[0].credentials
    assert not broker.asked


@pytest.mark.parametrize("body", [{}, {"credentials": []}, {"credentials": {"a": "x" * 40_000}}])
def test_no_credentials(broker, driver, body):
    broker.answers = [(201, body)]
    made = service()
    with pytest.raises(errors.ProviderError) as refused:
        driver.bind(made, made.bindings[0], PLAN)
    assert refused.value.code == "gateway.provider.answer"


def test_removed_with_its_bindings_first(broker, driver):
    broker.answers = [(200, {}), (200, {})]
    driver.remove(service(status=Status.DELETING), PLAN)
    assert [method for method, *_ in broker.asked] == ["DELETE"] * 2
    assert "/service_bindings/" in broker.asked[0][1].path
    assert query(broker.asked[1]) == {"service_id": "s 1", "plan_id": "p1", "accepts_incomplete": "true"}


def test_what_was_never_made_is_gone(broker, driver):
    """A broker need not know the bindings of a service that it has refused."""
    broker.answers = [(404, {}), (410, {})]
    driver.remove(service(status=Status.REVERTING, fault=REFUSED, updated_at=time.time()), PLAN)


def test_what_was_given_up_is_removed_again_a_while_later(broker, driver):
    late = Fault("gateway.provider.timeout", "It was too slow.")
    given_up = service(status=Status.REVERTING, fault=late, updated_at=time.time(), bindings=())
    broker.answers = [(410, {}), (410, {})]
    assert 0 < pending(lambda: driver.remove(given_up, PLAN)).after <= 10
    driver.remove(dataclasses.replace(given_up, updated_at=time.time() - 10), PLAN)


@pytest.mark.parametrize("answer", [(400, {}), (404, {}), (500, b""), (204, b"")])
def test_what_is_not_removed_is_remembered(broker, driver, answer):
    broker.answers = [answer]
    with pytest.raises(errors.ProviderError):
        driver.remove(service(status=Status.DELETING, bindings=()), PLAN)


def test_removed_later(broker, driver):
    broker.answers = [(202, {}), (200, {"state": "in progress"}), (410, {})]
    going = service(status=Status.DELETING, bindings=())
    waits = pending(lambda: driver.remove(going, PLAN))
    going = dataclasses.replace(going, operation=waits.operation)
    pending(lambda: driver.remove(going, PLAN))
    driver.remove(going, PLAN)


def test_what_was_begun_before_is_not_what_is_wanted_now(broker, driver):
    """It was being made when its project had it deleted."""
    broker.answers = [(200, {})]
    driver.remove(service(status=Status.DELETING, operation="provision:1", bindings=()), PLAN)
    assert broker.asked[0][0] == "DELETE"


def test_its_catalogue_is_looked_into_again_and_again(broker, tmp_path):
    conf = brokered.configuration(tmp_path)
    conf.set_override("check_interval", 0.1, "broker")
    conf.set_override("poll_interval", 0.05, "engine")
    store, url = brokered.store(conf), f"http://127.0.0.1:{broker.server_address[1]}"
    store.add_provider(dataclasses.replace(brokered.PROVIDER, type="osb", url=url))
    plans = [{"id": "p1", "name": "small"}]
    catalogue = {"services": [{"id": "s1", "name": "queues", "bindable": True, "plans": plans}]}
    broker.answers = [(500, b""), (200, b"nonsense"), (200, catalogue)]
    stop = threading.Event()
    thread = threading.Thread(target=Broker(conf, store, brokered.roll(conf)).run, args=(stop,))
    thread.start()
    try:
        deadline = time.monotonic() + 60
        while list(store.provider("cache").offers) != ["queues"]:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        stop.set()
        thread.join()
