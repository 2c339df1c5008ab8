"""The job as the engine's threads do it: the daemon's own classes, with the deployment's log and targets in a
SQLite database that has every commit on disk. Imports and one first connection are not measured: a daemon
that runs has paid for them."""

import concurrent.futures
import contextlib
import hashlib
import io
import json
import pathlib
import resource
import sys
import tarfile
import tempfile
import time
import uuid

from gateway import conf as options
from gateway.deploy import recipe
from gateway.deploy.model import ExistingServers
from gateway.deploy.work import Work
from gateway.tests import deployed, sessions

TIMEOUT = 60.0


def prepared(job: dict, service: str, hosts: list[str], state: pathlib.Path) -> Work:
    """A deployment onto these hosts, as it is once its servers are found."""
    conf = options.load(["--state_path", str(state)], [])
    conf.set_override("port", job["port"], "ssh")
    store = deployed.store(state)
    ids = tuple(str(uuid.uuid4()) for _ in hosts)
    made = deployed.deployment(deployed.spec(ExistingServers(ids, "root", job["host_key"]), service=service))
    store.add(made, {"env": {}, "private_key": pathlib.Path(job["key"]).read_text()})
    for number, (id, host) in enumerate(zip(ids, hosts, strict=True)):
        store.set_target(made.id, number, server_id=id, address=host)
    return Work(conf, store, sessions.opened(conf), None, store.deployment(made.id))


def artifact(job: dict) -> tuple[pathlib.Path, str]:
    """The upload as a tar.gz, as the API takes it."""
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w:gz") as tar:
        tar.add(job["upload"], "got")
    path = pathlib.Path(job["folder"]) / "artifact"
    path.write_bytes(whole.getvalue())
    return path, hashlib.sha256(whole.getvalue()).hexdigest()


def deploy(work: Work, job: dict, path: pathlib.Path, sha256: str) -> None:
    def one(number: int) -> None:
        layout = recipe.Layout(f"{job['folder']}/{work.target(number).address}", "hello", "1")
        work.run("upload", number, recipe.unpack(layout, sha256, 5, TIMEOUT), path)
        work.run("setup", number, recipe.Command("the command", ("true",), TIMEOUT))

    threads = min(work.spec.replicas, work.conf.engine.max_servers)
    with contextlib.closing(work), concurrent.futures.ThreadPoolExecutor(threads) as pool:
        list(pool.map(one, range(work.spec.replicas)))


def cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> None:
    job = json.loads(sys.argv[1])
    path, sha256 = artifact(job)
    for host in job["hosts"]:
        (pathlib.Path(job["folder"]) / host / "hello/releases/1").mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        state = pathlib.Path(name)
        first = prepared(job, "first", job["hosts"][:1], state)
        with contextlib.closing(first):
            first.ask(0, recipe.Command("warm up", ("true",), TIMEOUT))
        work = prepared(job, "hello", job["hosts"], state)
        began, used = time.monotonic(), cpu()
        deploy(work, job, path, sha256)
        print("MEASURED", json.dumps([time.monotonic() - began, cpu() - used]))


main()
