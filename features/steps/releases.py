"""One release after the other, and clients that are there all the time."""

import threading
import time

import requests
import yaml
from behave import given, then, when
from harness.asking import call, deploy
from harness.names import filled

_BETWEEN = 0.05  # seconds between two calls of a client


class Clients:
    """Each asks the registry for the best instance and calls it, again and again."""

    def __init__(self, client, service: str, count: int):
        self.errors: list[str] = []
        self.seen: set[str] = set()
        self._client, self._service = client, service
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(count)]
        for thread in self._threads:
            thread.start()

    def _run(self) -> None:
        while not self._stop.wait(_BETWEEN):
            try:
                self._once()
            except (requests.RequestException, AssertionError) as error:
                self.errors.append(f"{time.strftime('%H:%M:%S')} {error}")

    def _once(self) -> None:
        path = f"/registry/service/types/{self._service}/best"
        answer = self._client.call("a member", "GET", path)
        assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text}"
        best = answer.json()
        answer = requests.get(f"http://{best['host']}:{best['port']}/", timeout=20)
        assert answer.status_code == 200, f"{best['name']}: {answer.status_code}"
        self.seen.add(answer.text)

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)


@given("{count:d} clients that ask for the best {service:w} and call it all the time")
def step_clients(context, count, service):
    context.clients = Clients(context.client, service, count)
    context.add_cleanup(context.clients.stop)


@then("no client has seen an error")
def step_no_errors(context):
    assert context.clients.seen, "no client has seen anything"
    assert not context.clients.errors, "\n".join(context.clients.errors[:20])


@then('the clients have seen "{first}" and "{second}"')
def step_seen(context, first, second):
    assert context.clients.seen == {first, second}, context.clients.seen


@then('it is rolled back at {step:w} with {code:S}, which says "{text}"')
def step_rolled_back(context, step, code, text):
    context.execute_steps("When it has ended")
    deployment = context.answer.json()["deployment"]
    fault = deployment["fault"]
    assert deployment["status"] == "rolled_back", deployment
    assert (fault["step"], fault["code"]) == (step, code), fault
    assert text in fault["message"], fault


@then('its fault shows the journal with "{text}"')
def step_journal(context, text):
    journal = context.answer.json()["deployment"]["fault"]["journal"]
    assert any(text in line for line in journal), journal


@then("its fault shows the console")
def step_console(context):
    assert context.answer.json()["deployment"]["fault"]["console"]


@then("each of its steps says the request that caused it")
def step_request_ids(context):
    deployment = context.answer.json()["deployment"]
    seen = {step["request_id"] for step in deployment["steps"]}
    assert seen == {deployment["request_id"]}, seen
    assert deployment["request_id"].startswith("req-"), deployment["request_id"]


@when("{who:Who} deploys it with the key {key:S}")
def step_deploy_with_key(context, who, key):
    _deploy_with_key(context, who, key, {})


@when("{who:Who} deploys it as version {version:S} with the key {key:S}")
def step_deploy_version_with_key(context, who, version, key):
    _deploy_with_key(context, who, key, {"version": version})


def _deploy_with_key(context, who, key, changes):
    wish = yaml.safe_load(filled(context.service, context.names)) | changes
    deploy(context, who, wish, {"Idempotency-Key": key})


@then("within {seconds:d} seconds its server is another than {server}")
def step_another_server(context, seconds, server):
    dead = filled(server, context.names)
    deadline = time.monotonic() + seconds
    while True:
        path = f"/v1/deployments/{context.names['deployment']}"
        deployment = call(context, "a member", "GET", path).json()["deployment"]
        found = deployment["instances"][0]["server_id"]
        if found not in (None, dead):
            return
        assert time.monotonic() < deadline, deployment
        time.sleep(0.5)
