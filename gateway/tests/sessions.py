"""Sessions as a process makes them, on a real SQLite file."""

from oslo_config import cfg

from gateway import vault
from gateway.cloud.credentials import Credentials
from gateway.cloud.sessions import Sessions
from gateway.db import Database, schema


def opened(conf: cfg.ConfigOpts) -> Sessions:
    database = Database(conf)
    schema.upgrade(database)
    return Sessions(conf, Credentials(database, vault.opened(conf)))
