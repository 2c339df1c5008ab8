"""The command ``gateway-status upgrade check``: what stands in the way of this release, before it is started.
It changes nothing.

Exit codes: 0 nothing, 1 warnings, 2 something must be done first, 255 the check itself failed.
"""

import functools
import logging
import pathlib
import sys
from collections.abc import Callable, Sequence

import oslo_db.exception
import sqlalchemy as sa
from oslo_config import cfg
from oslo_upgradecheck import common_checks, upgradecheck
from oslo_upgradecheck.upgradecheck import Code, Result

from gateway import conf as options
from gateway import vault
from gateway.api import policies
from gateway.db import Database, schema

_FINE = Result(Code.SUCCESS)


def _told(check: Callable[["Checks"], Result]) -> Callable[["Checks"], Result]:
    """What goes wrong in a check is what it found, in words."""

    @functools.wraps(check)
    def checked(self: "Checks") -> Result:
        try:
            return check(self)
        except (cfg.Error, OSError, ValueError, sa.exc.SQLAlchemyError, oslo_db.exception.DBError) as error:
            return Result(Code.FAILURE, str(error).partition("\n")[0])

    return checked


class _Heard(logging.Handler):
    """What oslo.config says of options that will go."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


class Checks(upgradecheck.UpgradeCommands):
    def __init__(self, conf: cfg.ConfigOpts):
        self._conf = conf

    @_told
    def check_options(self) -> Result:
        """The values can be used, Keystone knows who the gateway is, and nothing is of an earlier release."""
        files = [f"--config-file={file}" for file in self._conf.config_file or ()]
        heard = _Heard()
        logging.getLogger("oslo_config.cfg").addHandler(heard)
        try:
            conf = options.load(files)
        finally:
            logging.getLogger("oslo_config.cfg").removeHandler(heard)
        if not conf.keystone_authtoken.auth_type:
            return Result(Code.FAILURE, "[keystone_authtoken] must say who the gateway is to Keystone.")
        return Result(Code.WARNING, " ".join(heard.messages)) if heard.messages else _FINE

    @_told
    def check_database(self) -> Result:
        """It answers, and its schema is this release's or one that this release brings there."""
        seen, wanted = self._revision(), schema.wanted()
        if seen is None:
            return Result(Code.SUCCESS, "Empty: gatewayd makes its tables when it starts.")
        if seen not in schema.revisions():
            return Result(
                Code.FAILURE, f"A later release than this one has brought it to {seen}, past {wanted}."
            )
        if seen != wanted:
            how = f"gateway-manage db upgrade, or gatewayd at its start, brings it to {wanted}."
            return Result(Code.WARNING, f"Its schema is at {seen}; {how}")
        return _FINE

    @_told
    def check_keys(self) -> Result:
        """Those that seal the database's secrets are there and nobody else's to read."""
        secrets = self._conf.secrets
        folder = pathlib.Path(secrets.key_repository)
        if secrets.backend == "files" and not (folder.is_dir() and any(folder.iterdir())):
            if self._revision() is not None:
                return Result(Code.FAILURE, f"{folder} has none; what is sealed in the database needs them.")
            return Result(Code.SUCCESS, "None yet: gatewayd makes the first when it starts.")
        vault.opened(self._conf)
        return _FINE

    @_told
    def check_policies(self) -> Result:
        """The file of policies can be read, and knows no other rules than there are."""
        enforcer = policies.enforcer(self._conf)
        as_json = common_checks.check_policy_json(self, self._conf)
        if as_json.code is not Code.SUCCESS:
            return as_json
        enforcer.load_rules(force_reload=True)
        unknown = sorted(set(enforcer.file_rules) - set(enforcer.registered_rules))
        if unknown:
            return Result(Code.WARNING, f"No such policies: {', '.join(unknown)}.")
        return _FINE

    @_told
    def check_processes(self) -> Result:
        """SQLite is for one machine."""
        sqlite = sa.make_url(self._conf.database.connection).get_backend_name() == "sqlite"
        if sqlite and self._conf.coordination.backend_url:
            why = "With SQLite there is one engine and one monitor, whatever [coordination] backend_url says."
            return Result(Code.WARNING, why)
        return _FINE

    def _revision(self) -> str | None:
        url = sa.make_url(self._conf.database.connection)
        if url.get_backend_name() == "sqlite" and url.database and not pathlib.Path(url.database).exists():
            return None  # to connect would make it
        return schema.current(Database(self._conf))

    _upgrade_checks = (
        ("Options", check_options),
        ("Database", check_database),
        ("Keys of secrets", check_keys),
        ("Policies", check_policies),
        ("Processes", check_processes),
    )


def main(argv: Sequence[str] | None = None) -> int:
    conf = cfg.ConfigOpts()
    options.register(conf)
    try:
        return upgradecheck.main(conf, "gateway", Checks(conf), list(sys.argv[1:] if argv is None else argv))
    except cfg.Error as error:
        print(f"gateway-status: {error}", file=sys.stderr)
        return Code.FAILURE


if __name__ == "__main__":
    sys.exit(main())
