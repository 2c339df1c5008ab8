"""What the tests of deploying share: a store on a real SQLite file, and a deployment to put in it."""

import pathlib
import uuid

from gateway import conf as options
from gateway import vault
from gateway.db import Database, schema
from gateway.deploy import flow
from gateway.deploy.model import Deployment, ExistingServers, NewServers, Spec, Status, Target
from gateway.deploy.store import DeploymentStore
from gateway.registry.model import Check
from gateway.tests import databases

PROJECT = uuid.uuid4().hex
NEW = NewServers("flavor-1", "image-1", "network-1", None, "debian")


def store(folder: pathlib.Path) -> DeploymentStore:
    conf = databases.of_the_folder(options.load(["--state_path", str(folder)], []))
    database = Database(conf)
    schema.upgrade(database)
    return DeploymentStore(database, vault.opened(conf), folder / "artifacts")


def spec(servers: NewServers | ExistingServers = NEW, **changed) -> Spec:
    values = {
        "service": "hello",
        "version": "1.0.0",
        "replicas": len(servers.ids) if isinstance(servers, ExistingServers) else 1,
        "server": servers,
        "command": "python3 app.py",
        "port": 8080,
        "proto": "http",
        "health": Check(path="/health", interval=0.5),
        "routes": ("/", "/a"),
        "files": {"a.txt": "ñ\n"},
        "packages": ("git",),
        "env": {"MODE": "x"},
        "secrets": ("PASSWORD",),
    }
    return Spec(**values | changed)


def deployment(wanted: Spec | None = None, **changed) -> Deployment:
    wanted = wanted or spec()
    values = {
        "id": str(uuid.uuid4()),
        "project_id": PROJECT,
        "user_id": "user-1",
        "request_id": "req-1",
        "trust_id": "trust-1",
        "spec": wanted,
        "status": Status.PENDING,
        "fault": None,
        "created_at": 1000.0,
        "updated_at": 1000.0,
        "steps": flow.planned_steps(**flow.shape(wanted)),
        "targets": tuple(Target(number) for number in range(wanted.replicas)),
    }
    return Deployment(**values | changed)
