"""What the tests of the broker share: its store on a real database, and things to put into it."""

import dataclasses
import pathlib

from oslo_config import cfg

from gateway import conf as options
from gateway import vault
from gateway.broker.model import Binding, Limits, Plan, Provider, Service, Status
from gateway.broker.roll import Roll
from gateway.broker.store import BrokerStore
from gateway.db import Database, schema
from gateway.registry.registry import Registry
from gateway.registry.signature import Signer
from gateway.registry.store import RegistryStore
from gateway.tests import database_servers, databases

PROVIDER = Provider(
    name="cache",
    type="redis",
    project_id="admins",
    url="redis://127.0.0.1:6379",
    username="manager",
    password="planted-admin",
    ca=None,
    offers={
        "redis": {"free": Plan(), "big": Plan(limits=Limits(connections=5, statement_timeout=0.5))},
    },
    status=Status.READY,
    created_at=1.5,
    updated_at=1.5,
)


def offering(**plans: Limits) -> Provider:
    """It, with plans of these limits."""
    offers = {"redis": {name: Plan(limits=limits) for name, limits in plans.items()}}
    return dataclasses.replace(PROVIDER, offers=offers)


def provider_on(server: database_servers.Redis) -> Provider:
    return dataclasses.replace(
        PROVIDER,
        url=f"redis://127.0.0.1:{server.port}",
        username=database_servers.USERNAME,
        password=database_servers.PASSWORD,
    )


def configuration(folder: pathlib.Path) -> cfg.ConfigOpts:
    conf = databases.of_the_folder(options.load(["--state_path", str(folder)], []))
    conf.set_override("allowed_networks", ["127.0.0.0/8"], "broker")
    return conf


def store(conf: cfg.ConfigOpts) -> BrokerStore:
    database = Database(conf)
    schema.upgrade(database)
    return BrokerStore(database, vault.opened(conf))


def roll(conf: cfg.ConfigOpts) -> Roll:
    """Of a registry on the same database."""
    database = Database(conf)
    signer = Signer(conf, vault.opened(conf), database)
    return Roll(conf, Registry(conf, RegistryStore(database), signer))


def binding(number: int = 1, service: int = 1, **fields) -> Binding:
    made = Binding(
        id=f"{number:08x}",
        service_id=f"{service:016x}",
        password=f"planted-{number}",
        credentials={"REDIS_URL": f"redis://planted-{number}"},
        status=Status.CREATING,
        fault=None,
        created_at=10.25 + number,
    )
    return dataclasses.replace(made, **fields)


def service(number: int = 1, **fields) -> Service:
    made = Service(
        id=f"{number:016x}",
        project_id="project",
        user_id="user",
        name=f"redis-{number}",
        type="redis",
        provider="cache",
        plan="free",
        status=Status.CREATING,
        fault=None,
        created_at=10.25,
        updated_at=10.25,
        bindings=(binding(1, number),),
    )
    return dataclasses.replace(made, **fields)
