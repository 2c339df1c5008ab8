"""Webhooks: real receivers on 127.0.0.1, not blocked here; what they get is verified by the library."""

# ruff: noqa: F401, F811  (pytest finds the fixtures by these names)
import http.server
import socket
import threading
import time
import uuid

import pytest
import standardwebhooks

from gateway.api import changes
from gateway.registry.subscriptions import Subscription
from gateway.registry.webhooks import Webhooks, pause
from gateway.tests import registered
from gateway.tests.functional.test_changes import register
from gateway.tests.functional.test_cloud_api import PROJECT, call, error_of, keystone, openstack, parts

URL = "/registry/subscriptions"
PATIENCE = 30  # seconds
SECRET = "whsec_" + "c2VjcmV0" * 4  # 24 bytes


class Receiver:
    """Answers each POST with ``answer``: a status, or None: nothing, until ``released``."""

    def __init__(self):
        self.answer: int | None = 200
        self.got: list[tuple[dict, bytes]] = []
        self.released = threading.Event()
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/hook"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self):
        self.released.set()
        self._server.shutdown()
        self._server.server_close()

    def indexes(self) -> list[int]:
        return [
            standardwebhooks.Webhook(SECRET).verify(body, head)["data"]["index"] for head, body in self.got
        ]

    def _handler(receiver):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.got.append((dict(self.headers.items()), body))
                if receiver.answer is None:
                    receiver.released.wait(PATIENCE)
                self.send_response(receiver.answer or 200)
                if receiver.answer == 302:
                    self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        return Handler


@pytest.fixture
def receivers():
    made = [Receiver(), Receiver()]
    yield made
    for each in made:
        each.stop()


@pytest.fixture
def webhooks(parts):
    """Delivering; options as the tests need them."""
    parts.conf.set_override("blocked_networks", ["127.0.0.2/32"], "registry")
    for name, value in {"attempts": 3, "retry_interval": 0.05, "timeout": 5}.items():
        parts.conf.set_override(name, value, "webhooks")
    running = []

    def start():
        stop = threading.Event()
        made = registered.registry(parts.conf)
        hooks = Webhooks(parts.conf, parts.subscriptions, made.feed, changes.view)
        thread = threading.Thread(target=hooks.run, args=(stop,), daemon=True)
        thread.start()
        running.append((stop, thread))

        def end():
            stop.set()
            thread.join(PATIENCE)
            assert not thread.is_alive()

        return end

    yield start
    for stop, thread in running:
        stop.set()
        thread.join(PATIENCE)


@pytest.fixture
def other(parts):
    return registered.registry(parts.conf)


def subscribe(call, url, **fields):
    answer = call("POST", URL, {"url": url, "secret": SECRET, **fields})
    assert answer.status_int == 201, answer.text
    return answer.json["subscription"]


def soon(is_so):
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def dead(call, id):
    return call("GET", f"{URL}/{id}/deliveries?state=dead").json["deliveries"]


def test_changes_come_signed_in_order_and_once(webhooks, call, other, receivers):
    receiver = receivers[0]
    register(other)
    webhooks()
    made = subscribe(call, receiver.url)
    register(other)
    other.amend(PROJECT, "mail", 0, weight=7)
    other.deregister(PROJECT, "mail", 1)
    register(other, project="another")
    soon(lambda: len(receiver.got) == 3)
    assert receiver.indexes() == [2, 3, 4]
    head, body = receiver.got[0]
    message = standardwebhooks.Webhook(SECRET).verify(body, head)
    assert (message["type"], message["data"]["instance"]) == ("instance.created", "mail-1")
    assert {h["webhook-id"] for h, _ in receiver.got} == {f"{made['id']}.{n}" for n in (2, 3, 4)}
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook(SECRET).verify(body + b" ", head)
    soon(lambda: call("GET", f"{URL}/{made['id']}").json["subscription"]["index"] == 4)


def test_those_of_a_type_alone(webhooks, call, other, receivers):
    webhooks()
    subscribe(call, receivers[0].url, type="auth")
    register(other)
    register(other, "auth")
    soon(lambda: receivers[0].got)
    assert receivers[0].indexes() == [2]


@pytest.mark.parametrize("answer", [500, 302, 404])
def test_what_is_not_taken_is_tried_again_given_up_and_sent_again_on_demand(
    webhooks, call, other, receivers, answer
):
    receiver = receivers[0]
    receiver.answer = answer
    webhooks()
    made = subscribe(call, receiver.url)
    register(other)
    register(other)
    soon(lambda: len(dead(call, made["id"])) == 2)
    assert receiver.indexes() == [1, 1, 1, 2, 2, 2]
    first, _ = dead(call, made["id"])
    assert (first["index"], first["attempts"], first["error"]) == (1, 3, f"answered {answer}")
    assert first["message"]["data"]["instance"] == "mail-0"
    receiver.answer = 200
    register(other)
    soon(lambda: receiver.indexes()[6:] == [3])
    answer = call("POST", f"{URL}/{made['id']}/deliveries/2/resend")
    assert (answer.status_int, answer.json) == (202, {"resent": 1})
    soon(lambda: receiver.indexes()[7:] == [2])
    soon(lambda: [each["index"] for each in dead(call, made["id"])] == [1])
    assert call("POST", f"{URL}/{made['id']}/deliveries/2/resend").status_int == 404
    assert call("POST", f"{URL}/{made['id']}/deliveries/resend").json == {"resent": 1}
    soon(lambda: receiver.indexes()[8:] == [1])
    soon(lambda: call("GET", f"{URL}/{made['id']}/deliveries").json == {"deliveries": []})


def test_what_fails_again_is_dead_again(webhooks, call, other, receivers):
    receivers[0].answer = 500
    webhooks()
    made = subscribe(call, receivers[0].url)
    register(other)
    soon(lambda: dead(call, made["id"]))
    assert call("POST", f"{URL}/{made['id']}/deliveries/resend").json == {"resent": 1}
    soon(lambda: len(receivers[0].got) == 6)
    soon(lambda: len(dead(call, made["id"])) == 1)


def test_who_does_not_answer_holds_nobody_else_up(webhooks, call, other, receivers):
    slow, quick = receivers
    slow.answer = None
    webhooks()
    subscribe(call, slow.url)
    subscribe(call, quick.url)
    for _ in range(3):
        register(other)
    soon(lambda: quick.indexes() == [1, 2, 3])
    assert slow.indexes() == [1]


def test_a_restart_goes_on_where_it_was(webhooks, call, other, receivers):
    end = webhooks()
    subscribe(call, receivers[0].url)
    register(other)
    soon(lambda: receivers[0].indexes() == [1])
    end()
    register(other)
    webhooks()
    soon(lambda: receivers[0].indexes()[-1] == 2)
    assert receivers[0].indexes() in ([1, 2], [1, 1, 2])


@pytest.mark.parametrize("host", ["127.0.0.2", "rebound.test"])
def test_nothing_is_sent_into_blocked_networks(webhooks, call, parts, other, monkeypatch, host):
    """Neither to an address that was fine when it was subscribed, nor to a name that points there by now."""
    asked = []

    real = socket.getaddrinfo

    def found(name, *args, **options):
        if name != "rebound.test":  # a database's, say
            return real(name, *args, **options)
        asked.append(name)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.2", 0))]

    monkeypatch.setattr("gateway.registry.guard.socket.getaddrinfo", found)
    made = Subscription(str(uuid.uuid4()), PROJECT, f"http://{host}:9/", None, SECRET, 0, time.time())
    parts.subscriptions.add(made, most=1)
    webhooks()
    register(other)
    soon(lambda: dead(call, made.id))
    assert "127.0.0.2 is in 127.0.0.2/32" in dead(call, made.id)[0]["error"]
    assert asked == (["rebound.test"] * 3 if host == "rebound.test" else [])


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "body"),
        ({"url": 5}, "url"),
        *(
            ({"url": url}, "url")
            for url in (
                "", "ftp://192.0.2.1/", "//192.0.2.1/", "http://", "http://192.0.2.1:x/", "http://192.0.2.1:0/",
                "http://me:pw@192.0.2.1/", "http://192.0.2.1/#a", "http://192.0.2.1/a b", "http://192.0.2.1/\n",
                "http://127.0.0.1/", "http://[::1]/", "http://[::ffff:127.0.0.1]/", "http://169.254.169.254/",
                "http://127.1/", "http://0x7f000001/", "http://2130706433/", "http://ñ.test/",
            )
        ),
        ({"url": "http://192.0.2.1/", "type": "a b"}, "type"),
        *(
            ({"url": "http://192.0.2.1/", "secret": secret}, "secret")
            for secret in ("", "planted-secret", "whsec_", "whsec_c2hvcnQ=", "whsec_" + "A" * 100, 5)
        ),
        ({"url": "http://192.0.2.1/", "colour": "red"}, "body"),
    ],
)  # fmt: skip
def test_bad_subscriptions_are_refused(call, body, field):
    answer = call("POST", URL, body)
    assert (answer.status_int, error_of(answer)["field"]) == (400, field), answer.text
    assert "planted-secret" not in answer.text
    assert call("GET", URL).json == {"subscriptions": []}


def test_the_secret_is_shown_once_and_sealed(call, parts):
    answer = call("POST", URL, {"url": "https://example.test/hook?a=b", "type": "mail"})
    made = answer.json["subscription"]
    assert made["secret"].startswith("whsec_")
    assert answer.headers["Location"].endswith(f"{URL}/{made['id']}")
    shown = call("GET", f"{URL}/{made['id']}").json["subscription"]
    assert shown == {name: value for name, value in made.items() if name != "secret"}
    assert call("GET", URL).json == {"subscriptions": [shown]}
    assert parts.subscriptions.get(made["id"], PROJECT).secret == made["secret"]
    assert made["secret"] not in repr(parts.subscriptions.get(made["id"], PROJECT))


def test_another_projects_is_not_there_and_a_reader_only_looks(call, parts):
    made = subscribe(call, "http://192.0.2.1/")
    assert call("POST", URL, {"url": "http://192.0.2.1/"}, "reader").status_int == 403
    assert call("DELETE", f"{URL}/{made['id']}", roles="reader").status_int == 403
    assert call("GET", f"{URL}/{made['id']}", roles="reader").status_int == 200
    parts.subscriptions.remove(made["id"], PROJECT)
    for method, path in (
        ("GET", ""), ("DELETE", ""), ("GET", "/deliveries"), ("POST", "/deliveries/resend"),
        ("POST", "/deliveries/1/resend"),
    ):  # fmt: skip
        answer = call(method, f"{URL}/{made['id']}{path}")
        assert (answer.status_int, error_of(answer)["code"]) == (404, "gateway.subscription.not_found")


def test_a_project_has_so_many_and_no_more(call, parts):
    parts.conf.set_override("max_subscriptions", 1, "webhooks")
    made = subscribe(call, "http://192.0.2.1/")
    answer = call("POST", URL, {"url": "http://192.0.2.1/"})
    assert (answer.status_int, error_of(answer)["code"]) == (409, "gateway.subscription.too_many")
    assert call("DELETE", f"{URL}/{made['id']}").status_int == 204
    subscribe(call, "http://192.0.2.1/")


def test_pauses_grow_and_differ():
    assert [pause(n, 1, 60, 0) for n in (1, 2, 3, 7, 100)] == [1, 2, 4, 60, 60]
    assert pause(3, 1, 60, 1) == 2
