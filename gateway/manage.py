"""gateway-manage: what an operator does on the gateway's own machine, with its configuration.

gateway-manage --config-file /etc/gateway/gateway.conf rotate-signing-key
"""

import sys

import oslo_db.exception
import sqlalchemy.exc
from oslo_config import cfg

from gateway import conf as options
from gateway.db import Database, schema
from gateway.registry.signing_keys import SigningKeys
from gateway.vault import Vault

_COMMANDS = ("rotate-signing-key",)


def rotate_signing_key(conf: cfg.ConfigOpts) -> str:
    """From now on a new key signs instances; the old ones verify what they have signed."""
    database = Database(conf)
    schema.upgrade(database)
    return SigningKeys(conf, Vault(conf.secrets.key_repository), database).rotate()


def main() -> int:
    """The command ``gateway-manage``."""
    conf = cfg.ConfigOpts()
    conf.register_cli_opt(
        cfg.StrOpt("command", positional=True, choices=_COMMANDS, required=True, help="What to do.")
    )
    options.register(conf)
    try:
        conf(sys.argv[1:], project="gateway")
        print(f"The key that signs is now {rotate_signing_key(conf)}.")
    except (cfg.Error, OSError, sqlalchemy.exc.SQLAlchemyError, oslo_db.exception.DBError) as error:
        print(f"gateway-manage: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
