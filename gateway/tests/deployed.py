"""What the tests of deploying share: a store on a real SQLite file, and a deployment to put in it."""

import itertools
import pathlib
import uuid

from gateway import conf as options
from gateway import vault
from gateway.db import Database, schema
from gateway.deploy import flow, plan
from gateway.deploy.model import (
    Deployment,
    ExistingServers,
    NewServers,
    Release,
    ReleaseState,
    Spec,
    Status,
)
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


def release(wanted: Spec | None = None, number: int = 1, **changed) -> Release:
    wanted = wanted or spec()
    values = {
        "number": number,
        "folder": f"{wanted.version}-{number}",
        "spec": wanted,
        "user_id": "user-1",
        "request_id": "req-1",
        "state": ReleaseState.DEPLOYING,
        "created_at": 1000.0,
    }
    return Release(**values | changed)


_numbers = itertools.count()


def deployment(wanted: Spec | None = None, **changed) -> Deployment:
    """Of a service of its own, unless ``wanted`` names it: a project has each but once."""
    wanted = wanted or spec(service=f"hello-{next(_numbers)}")
    targets = plan.first(wanted)
    values = {
        "id": str(uuid.uuid4()),
        "project_id": PROJECT,
        "request_id": "req-1",
        "trust_id": "trust-1",
        "release": release(wanted),
        "status": Status.PENDING,
        "fault": None,
        "created_at": 1000.0,
        "updated_at": 1000.0,
        "steps": flow.planned_steps(**plan.shape(wanted, targets)),
        "targets": targets,
    }
    return Deployment(**values | changed)
