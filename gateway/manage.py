"""The command ``gateway-manage``, for the operator, on the machine of the engine and with its configuration.

Exit codes: 0 done, 1 refused or failed (one line says why), 2 wrong usage, 130 interrupted.
"""

import argparse
import functools
import importlib.metadata
import logging
import pathlib
import sys
import time
from collections.abc import Iterable, Sequence

from cliff import app, command, commandmanager, lister
from oslo_config import cfg

import gateway.broker.store
import gateway.registry.subscriptions  # noqa: F401 (both hold secrets: their keys rotate, too)
from gateway import conf as options
from gateway import errors, vault
from gateway.api.expose import isoformat
from gateway.cloud.credentials import Credentials
from gateway.cloud.sessions import Sessions
from gateway.db import Database, schema
from gateway.deploy.model import UNFINISHED, Deployment, Status
from gateway.deploy.store import DeploymentStore
from gateway.deploy.sweep import Thing
from gateway.deploy.sweeper import Sweeper
from gateway.deploy.working import Working
from gateway.registry.signing_keys import SigningKeys
from gateway.vault import rotation


class _Command:
    """What the commands have at hand."""

    @property
    def conf(self) -> cfg.ConfigOpts:
        return self.app.conf

    @property
    def database(self) -> Database:
        return self.app.database

    @functools.cached_property
    def store(self) -> DeploymentStore:
        folder = pathlib.Path(self.conf.state_path)
        return DeploymentStore(self.database, vault.opened(self.conf), folder / "artifacts")


class _Action(_Command, command.Command):
    def say(self, text: str) -> None:
        self.app.stdout.write(f"{text}\n")


class _List(_Command, lister.Lister):
    def say(self, text: str) -> None:
        """Beside the table, which a program may read."""
        self.app.stderr.write(f"{text}\n")


class Sweep(_List):
    """Show what this gateway made in the cloud and knows no deployment for; with --delete, delete it.

    Only what is seen twice is deleted. Without the admin role the user of [keystone_authtoken] sees its own
    project alone.
    """

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--delete", action="store_true", help="delete what is still leaked at a second look"
        )
        parser.add_argument(
            "--wait",
            metavar="SECONDS",
            type=_seconds,
            default=60.0,
            help="from the first look to the second (60)",
        )
        return parser

    def take_action(self, parsed_args):
        sessions = Sessions(self.conf, Credentials(self.database, vault.opened(self.conf)))
        sweeper = Sweeper(self.conf, self.store, sessions)
        seen = sweeper.look()
        if not (parsed_args.delete and seen):
            return self._table(seen, seen)
        self.say(f"{len(seen)} seen; looking again in {parsed_args.wait:g} s.")
        time.sleep(parsed_args.wait)
        told = sweeper.sweep()
        self.failed = [f"{thing.kind} {thing.id}: {why}" for thing, why in told.items() if why]
        return self._table([thing for thing, why in told.items() if why is None], seen)

    failed: Sequence[str] = ()

    def run(self, parsed_args):
        code = super().run(parsed_args)
        if self.failed:
            raise errors.CloudError("gateway.sweep.failed", f"Not deleted: {'; '.join(self.failed)}")
        if parsed_args.delete:
            self.say("What is listed is deleted.")
        return code

    def _table(self, things: Iterable[Thing], seen: dict[Thing, float]):
        columns = ("Kind", "ID", "Name", "Project", "Deployment", "Seen Since")
        return columns, [
            (str(t.kind), t.id, t.name, t.project_id, t.deployment_id, isoformat(seen[t])) for t in things
        ]


def _worked_on(conf: cfg.ConfigOpts, store: DeploymentStore) -> set[str]:
    """The deployments that an engine has in hand right now. Raises Unavailable."""
    if conf.coordination.backend_url:
        from gateway.deploy import jobboard  # TaskFlow, whose import takes long and prints warnings

        return jobboard.worked_on(conf)
    return Working(conf, store).worked_on()


class ListDeployments(_List):
    """List the deployments of all projects, newest first"""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        whose = parser.add_mutually_exclusive_group()
        whose.add_argument("--project", metavar="ID", help="those of one project")
        whose.add_argument("--all-projects", action="store_true", help="those of all projects (the default)")
        parser.add_argument("--unfinished", action="store_true", help="only what the engine has to work on")
        return parser

    def take_action(self, parsed_args):
        worked_on = _worked_on(self.conf, self.store)
        found = self.store.every_deployment(parsed_args.project)
        wanted = [d for d in found if d.status in UNFINISHED or not parsed_args.unfinished]
        columns = ("ID", "Project", "Service", "Version", "Status", "Worked On", "Updated At", "Fault")
        return columns, [self._row(each, each.id in worked_on) for each in wanted]

    def _row(self, deployment: Deployment, worked_on: bool) -> tuple:
        fault = f"{deployment.fault.step}: {deployment.fault.message}" if deployment.fault else ""
        return (
            deployment.id,
            deployment.project_id,
            deployment.spec.service,
            deployment.spec.version,
            str(deployment.status),
            worked_on,
            isoformat(deployment.updated_at),
            fault,
        )


class ResetDeployment(_Action):
    """Have a deployment that is stuck taken back by the engine, or set its state by hand.

    Without --state it becomes "deleting": the engine takes back all that it made and removes it, as the
    owner's DELETE would.
    """

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument("id", metavar="ID", help="of the deployment")
        parser.add_argument(
            "--state",
            choices=["failed", "succeeded"],
            help="only write this state: nothing is taken back, registered or checked",
        )
        parser.add_argument(
            "--force", action="store_true", help="also while the engine is working on it right now"
        )
        return parser

    def take_action(self, parsed_args):
        deployment = self.store.deployment(parsed_args.id)
        to = Status(parsed_args.state) if parsed_args.state else Status.DELETING
        self._check(deployment, parsed_args.force)
        if not self.store.move(deployment.id, to, UNFINISHED):
            raise errors.Conflict("gateway.deployment.changed", "It has ended meanwhile; nothing is changed.")
        self.store.write_log(deployment.id, "reset", None, f"An operator set {deployment.status} to {to}.")
        self.say(f"{deployment.id}: {deployment.status} is now {to}.")
        if to is not Status.DELETING:
            self.say(
                "Its servers, floating IPs, security group, instances and trust may be left: the owner's "
                f"DELETE /v1/deployments/{deployment.id} takes them back."
            )

    def _check(self, deployment: Deployment, force: bool) -> None:
        if deployment.status not in UNFINISHED:
            raise errors.Conflict(
                "gateway.deployment.finished",
                f"Deployment {deployment.id} is {deployment.status}, not stuck.",
            )
        if not force and deployment.id in _worked_on(self.conf, self.store):
            raise errors.Conflict(
                "gateway.deployment.worked_on",
                f"The engine is working on deployment {deployment.id} right now. Wait, or use --force.",
            )


class RotateSecrets(_Action):
    """Make a new key and seal all secrets anew with it.

    Daemons need no restart. May be interrupted and run again. `secrets prune` removes the older keys then.
    """

    def take_action(self, parsed_args):
        key, count = rotation.rotate(self.database, vault.opened(self.conf))
        self.say(f"Key {key.id} is new; {count} secrets are sealed anew with it.")


class PruneSecrets(_Action):
    """Remove the keys that nothing is sealed with any more"""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--min-age",
            metavar="SECONDS",
            type=_seconds,
            default=300.0,
            help="nothing is removed until the newest key is so old that every daemon has seen it (300)",
        )
        return parser

    def take_action(self, parsed_args):
        opened = vault.opened(self.conf)
        removed = rotation.prune(self.database, opened, parsed_args.min_age)
        names = ", ".join(key.id for key in removed) or "none"
        self.say(f"Keys removed: {names}; {len(opened.current_keys())} left.")


class RotateSigningKey(_Action):
    """Sign instances with a new key from now on; the old ones verify what they have signed"""

    def take_action(self, parsed_args):
        kid = SigningKeys(self.conf, vault.opened(self.conf), self.database).rotate()
        self.say(f"The key that signs is now {kid}.")


class UpgradeDatabase(_Action):
    """Bring the database to this release's schema; gatewayd does so by itself at its start"""

    needs_schema = False

    def take_action(self, parsed_args):
        schema.upgrade(self.database)
        self.say(f"The schema is at {schema.wanted()}.")


class CheckDatabase(_Action):
    """Tell whether the database has this release's schema: exit code 0 if so, else 1"""

    needs_schema = False

    def take_action(self, parsed_args):
        _check_schema(self.database)
        self.say(f"The schema is at {schema.wanted()}, as it should.")


def _check_schema(database: Database) -> None:
    seen, wanted = schema.current(database) or "nothing", schema.wanted()
    if seen != wanted:
        raise errors.Conflict(
            "gateway.database.schema",
            f"The schema is at {seen}, this release needs {wanted}. Run: gateway-manage db upgrade",
        )


COMMANDS = {
    "sweep": Sweep,
    "deployment list": ListDeployments,
    "deployment reset": ResetDeployment,
    "secrets rotate": RotateSecrets,
    "secrets prune": PruneSecrets,
    "signing-key rotate": RotateSigningKey,
    "db upgrade": UpgradeDatabase,
    "db check": CheckDatabase,
}


class _Commands(commandmanager.CommandManager):
    def __init__(self):
        super().__init__()
        for name, made in COMMANDS.items():
            self.add_command(name, made)


class Shell(app.App):
    NAME = "gateway-manage"
    LOG = logging.getLogger(NAME)
    CONSOLE_MESSAGE_FORMAT = "gateway-manage: %(message)s"
    DEFAULT_VERBOSE_LEVEL = 0

    def __init__(self):
        what = "What the operator of a gateway does, with its configuration and on the machine of its engine."
        super().__init__(what, importlib.metadata.version("gateway"), _Commands(), deferred_help=True)

    def build_option_parser(self, description, version, argparse_kwargs=None):
        kwargs = {"allow_abbrev": False, "prog": self.NAME, **(argparse_kwargs or {})}
        parser = super().build_option_parser(description, version, kwargs)
        for name, what in (("file", "a file of options"), ("dir", "a folder of such files")):
            parser.add_argument(
                f"--config-{name}",
                metavar="PATH",
                action="append",
                default=[],
                help=f"{what}, as gatewayd takes it; may be given several times",
            )
        return parser

    def configure_logging(self) -> None:
        super().configure_logging()
        if self.options.verbose_level == self.DEFAULT_VERBOSE_LEVEL and not self.options.debug:
            for handler in logging.getLogger().handlers:  # the libraries' warnings are for who asks for them
                handler.addFilter(logging.Filter(self.NAME))

    def initialize_app(self, argv: list[str]) -> None:
        if not argv:  # cliff would open a prompt of its own
            self.options.deferred_help = True

    def prepare_to_run_command(self, cmd) -> None:
        if isinstance(cmd, _Command) and getattr(cmd, "needs_schema", True):
            _check_schema(self.database)

    @functools.cached_property
    def conf(self) -> cfg.ConfigOpts:
        given = [("file", path) for path in self.options.config_file]
        given += [("dir", path) for path in self.options.config_dir]
        return options.load([f"--config-{name}={path}" for name, path in given])

    @functools.cached_property
    def database(self) -> Database:
        return Database(self.conf)


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError("must be 0 or more")
    return value


def main(argv: Sequence[str] | None = None) -> int:
    return Shell().run(list(sys.argv[1:] if argv is None else argv))


if __name__ == "__main__":
    sys.exit(main())
