"""Providers of services on this machine that are no servers of databases: one that speaks the protocol of a
standalone service registry, and an Open Service Broker, which openbrokerapi makes of what is here."""

import base64
import http.server
import json
import logging
import secrets
import ssl
import threading

import flask
import openbrokerapi.api
import werkzeug.serving
from openbrokerapi import errors
from openbrokerapi.catalog import ServicePlan
from openbrokerapi.service_broker import (
    Binding,
    BindState,
    DeprovisionServiceSpec,
    GetBindingSpec,
    LastOperation,
    OperationState,
    ProvisionedServiceSpec,
    ProvisionState,
    Service,
    ServiceBroker,
    UnbindSpec,
    UpdateServiceSpec,
)

USERNAME, PASSWORD = "manager", "providers-own-password"
_AUTHORIZATION = "Basic " + base64.b64encode(f"{USERNAME}:{PASSWORD}".encode()).decode()
_LOOKS = 2  # at an asynchronous operation, until it is done


class HttpProvider:
    """Makes documents, of a kind. ``certificate``: the files of one and of its key, for HTTPS."""

    def __init__(self, certificate=None):
        self.services: dict[str, dict] = {}
        self.asked: list[str] = []
        self.may_make = threading.Event()
        self.may_make.set()
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        if certificate:
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            tls.load_cert_chain(*certificate)
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.url = f"http{'s' if certificate else ''}://127.0.0.1:{self._server.server_address[1]}/documents"
        threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True).start()

    def stop(self) -> None:
        self.may_make.set()
        self._server.shutdown()
        self._server.server_close()

    def things(self) -> list[str]:
        return [f"{name} of plan {service['plan']}" for name, service in self.services.items()]

    def answer(self, method: str, name: str, body: dict) -> tuple[int, dict]:
        if method == "GET":
            return 405, {}
        if method == "POST":
            self.may_make.wait()
            url = f"mongodb://{body['name']}:{secrets.token_hex(16)}@203.0.113.9/{body['name']}"
            made = self.services.setdefault(
                body["name"], {"plan": body["plan"], "creds": {"MONGODB_URL": url}}
            )
            return 200, {"status": 200, "creds": made["creds"]}
        if name not in self.services:
            return 404, {"status": 404}
        if method == "PUT":
            self.services[name]["plan"] = body["plan"]
            return 200, {"status": 200}
        del self.services[name]
        return 200, {"status": 200}

    def _handler(provider):
        class Handler(http.server.BaseHTTPRequestHandler):
            def _do(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                provider.asked.append(f"{self.command} {self.path} {body.decode()}")
                status, answer = 401, {"message": "Who is it?"}
                if self.headers.get("Authorization") == _AUTHORIZATION:
                    name = self.path.rpartition("/")[2]
                    status, answer = provider.answer(self.command, name, json.loads(body or b"{}"))
                data = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_PUT = do_DELETE = _do

            def log_message(self, *_):
                pass

        return Handler


class _Queues(ServiceBroker):
    """Makes queues, of a kind. Those of the plan slow, and their bindings, it makes asynchronously; those of
    the plan fixed have none, and no other plan ever."""

    def __init__(self):
        self.offered = ["free", "large", "slow", "fixed"]
        self.instances: dict[str, str] = {}  # their plans
        self.bindings: dict[tuple[str, str], dict] = {}
        self._looks: dict[str, int] = {}

    def catalog(self):
        is_for_platforms = flask.request.path.endswith("/catalog")  # else all that there ever were
        names = self.offered if is_for_platforms else ["free", "large", "slow", "fixed"]
        plans = [
            ServicePlan(
                f"plan-{name}",
                name,
                f"Queues, {name}.",
                bindable=name != "fixed",
                plan_updateable=name != "fixed",
            )
            for name in names
        ]
        return Service(
            "offering-queues",
            "Queues.v2",
            "Queues.",
            True,
            plans,
            plan_updateable=True,
            bindings_retrievable=True,
        )

    def provision(self, instance_id, details, async_allowed, **_):
        if instance_id in self.instances:
            if self.instances[instance_id] != details.plan_id:
                raise errors.ErrInstanceAlreadyExists
            return ProvisionedServiceSpec(ProvisionState.IDENTICAL_ALREADY_EXISTS)
        self.instances[instance_id] = details.plan_id
        if details.plan_id == "plan-slow":
            return ProvisionedServiceSpec(ProvisionState.IS_ASYNC, operation="of provisioning")
        return ProvisionedServiceSpec()

    def update(self, instance_id, details, async_allowed, **_):
        self.instances[instance_id] = details.plan_id
        return UpdateServiceSpec(False)

    def deprovision(self, instance_id, details, async_allowed, **_):
        if instance_id not in self.instances:
            raise errors.ErrInstanceDoesNotExist
        if any(instance == instance_id for instance, _ in self.bindings):
            raise errors.ErrBadRequest("It has bindings.")
        del self.instances[instance_id]
        is_slow = details.plan_id == "plan-slow"
        return DeprovisionServiceSpec(is_slow, "of deprovisioning" if is_slow else None)

    def bind(self, instance_id, binding_id, details, async_allowed, **_):
        key, is_slow = (instance_id, binding_id), details.plan_id == "plan-slow"
        state = BindState.IDENTICAL_ALREADY_EXISTS if key in self.bindings else BindState.SUCCESSFUL_BOUND
        made = self.bindings.setdefault(key, {"uri": f"amqp://{secrets.token_hex(16)}@203.0.113.9/"})
        if is_slow:
            return Binding(BindState.IS_ASYNC, operation="of binding")
        return Binding(state, credentials=made)

    def unbind(self, instance_id, binding_id, details, async_allowed, **_):
        if self.bindings.pop((instance_id, binding_id), None) is None:
            raise errors.ErrBindingDoesNotExist
        return UnbindSpec(False)

    def get_binding(self, instance_id, binding_id, **_):
        return GetBindingSpec(self.bindings[instance_id, binding_id])

    def last_operation(self, instance_id, operation_data, **_):
        self._looks[operation_data] = looks = self._looks.get(operation_data, 0) + 1
        is_done = looks >= _LOOKS
        return LastOperation(OperationState.SUCCEEDED if is_done else OperationState.IN_PROGRESS)

    def last_binding_operation(self, instance_id, binding_id, operation_data, **_):
        return self.last_operation(instance_id, operation_data)


class OpenBroker:
    def __init__(self):
        self.broker = _Queues()
        logger = logging.getLogger("openbrokerapi")
        logger.setLevel(logging.CRITICAL)
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        credentials = openbrokerapi.api.BrokerCredentials(USERNAME, PASSWORD)
        app = flask.Flask(__name__)
        app.register_blueprint(openbrokerapi.api.get_blueprint(self.broker, credentials, logger))
        self._server = werkzeug.serving.make_server("127.0.0.1", 0, app, threaded=True)
        self.url = f"http://127.0.0.1:{self._server.port}"
        threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def things(self) -> list[str]:
        made = [f"instance of {plan}" for plan in self.broker.instances.values()]
        return made + [f"binding of {instance}" for instance, _ in self.broker.bindings]
