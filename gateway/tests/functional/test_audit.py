"""Who did what, by oslo.messaging's own driver for tests; features/notifications.feature has a real bus."""

import threading
import time
from unittest import mock

import oslo_messaging.notify._impl_test as sent
import pytest
import webob
from oslo_messaging.notify import notifier

from gateway.api import auth
from gateway.api.audit import Audit, audited
from gateway.tests import counted, registered

PATIENCE = 120  # seconds


class Caller:
    user_id, user_name, project_id = "9d2e0c1a" * 4, "demo", "5b1f7a33" * 4


def application(status, location=None, caller=None):
    """Answers as the pipeline does, which leaves who called in the environ."""

    def serve(environ, start_response):
        environ["openstack.request_id"] = "req-1"
        if caller:
            environ[auth.CALLER] = caller
        headers = [("Location", location)] if location else []
        start_response(f"{status} Whatever", headers)
        return [b""]

    return serve


@pytest.fixture
def audit(tmp_path):
    file = tmp_path / "gateway.conf"
    file.write_text("[DEFAULT]\ntransport_url = fake://\n[oslo_messaging_notifications]\ndriver = test\n")
    sent.reset()
    made = Audit(registered.configuration(tmp_path, [file]))
    yield made
    made.close(PATIENCE)


@pytest.fixture
def ask(audit):
    def asked(method, path, answered):
        request = webob.Request.blank(path, method=method, headers={"X-Auth-Token": "s3cr3t-token"})
        request.body, request.remote_addr = b'{"password": "s3cr3t"}', "192.0.2.7"
        request.get_response(audited(answered, audit))
        audit.close(PATIENCE)
        assert "s3cr3t" not in str(sent.NOTIFICATIONS)
        return [message["payload"] for _, message, _, _ in sent.NOTIFICATIONS]

    return asked


def test_an_event_says_who_did_what_to_what_and_how_it_ended(ask):
    made = application(202, "http://gateway/v1/deployments/d-1", Caller())
    (payload,) = ask("POST", "/v1/deployments?token=s3cr3t", made)
    assert payload["typeURI"] == "http://schemas.dmtf.org/cloud/audit/1.0/event"
    assert (payload["action"], payload["outcome"]) == ("create", "success")
    assert payload["reason"] == {"reasonType": "HTTP", "reasonCode": "202"}
    assert payload["target"] == {"id": "d-1", "typeURI": "service/gateway/v1/deployments"}
    assert payload["requestPath"] == "/v1/deployments"
    who = payload["initiator"]
    assert (who["id"], who["name"], who["project_id"]) == (Caller.user_id, "demo", Caller.project_id)
    assert (who["request_id"], who["host"]["address"]) == ("req-1", "192.0.2.7")


@pytest.mark.parametrize(
    ("method", "path", "status", "action", "target", "outcome"),
    [
        ("DELETE", "/v1/servers/web", 204, "delete", "web", "success"),
        ("POST", "/v1/deployments/d-1/rollback", 202, "update/rollback", "d-1", "success"),
        ("PUT", "/registry/service/hello-0/maintenance", 200, "update/maintenance", "hello-0", "success"),
        ("PATCH", "/registry/service/hello-0", 400, "update", "hello-0", "failure"),
        ("GET", "/v1/services/db", 200, "read", "db", "success"),
        ("GET", "/v1/servers/web", 403, "read", "web", "failure"),
        ("POST", "/v1/floppies", 404, "create", "unknown", "failure"),
        ("PUT", "/osb/v2/service_instances/1/service_bindings/2", 201, "update", "2", "success"),
    ],
)
def test_what_is_told(ask, method, path, status, action, target, outcome):
    (payload,) = ask(method, path, application(status, caller=Caller()))
    assert (payload["action"], payload["target"]["id"], payload["outcome"]) == (action, target, outcome)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/servers", 200),
        ("GET", "/registry/service/types/hello/best", 503),
        ("PUT", "/registry/service/hello-0/heartbeat", 200),
    ],
)
def test_what_is_not(ask, method, path, status):
    assert ask(method, path, application(status, caller=Caller())) == []


def test_who_was_not_known_is_told_as_such(ask):
    (payload,) = ask("GET", "/v1/servers", application(401))
    assert (payload["initiator"]["id"], payload["outcome"]) == ("unknown", "failure")


def test_a_bus_that_takes_nothing_holds_up_nobody(tmp_path, monkeypatch):
    """What is too much is dropped, and counted."""
    stuck = threading.Event()
    monkeypatch.setattr(notifier.Notifier, "info", lambda *_: stuck.wait(PATIENCE))
    file = tmp_path / "gateway.conf"
    file.write_text("[DEFAULT]\ntransport_url = fake://\n[oslo_messaging_notifications]\ndriver = test\n")
    with counted.counting(tmp_path):
        audit = Audit(registered.configuration(tmp_path, [file]), most=2)
        app = audited(application(204, caller=Caller()), audit)
        for _ in range(10):
            webob.Request.blank("/v1/servers/web", method="DELETE").get_response(app)
        assert counted.total("gateway_audit_events_total", result="dropped") >= 7
        stuck.set()
        deadline = time.monotonic() + PATIENCE
        while counted.total("gateway_audit_events_total", result="sent") < 2:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_what_the_bus_does_not_take_is_sent_again(tmp_path, caplog):
    """As oslo.messaging's drivers fail: they only log it, with the whole event."""
    file = tmp_path / "gateway.conf"
    file.write_text(
        "[oslo_messaging_notifications]\ndriver = messagingv2\ntransport_url = kombu+memory://\nretry = 0\n"
    )
    with counted.counting(tmp_path):
        audit = Audit(registered.configuration(tmp_path, [file]))
        driver = "oslo_messaging.transport.Transport._send_notification"
        with mock.patch(driver, side_effect=[OSError("away"), OSError("away"), None]) as sending:
            request = webob.Request.blank("/v1/servers/web", method="DELETE")
            request.get_response(audited(application(204, caller=Caller()), audit))
            audit.close(PATIENCE)
        assert sending.call_count == 3
        assert counted.total("gateway_audit_events_total", result="failed") == 2
        assert counted.total("gateway_audit_events_total", result="sent") == 1
    (line,) = [record.getMessage() for record in caplog.records if "udit" in record.getMessage()]
    assert "away" in line
    assert Caller.user_id not in caplog.text


def test_where_no_bus_is_configured_nothing_is_in_the_way(tmp_path):
    app = application(204)
    assert audited(app, Audit(registered.configuration(tmp_path))) is app
