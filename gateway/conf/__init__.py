"""Every option, in one place. ``load`` makes the ConfigOpts handed to the parts; none reads a global."""

import os
from collections.abc import Sequence

from keystoneauth1 import loading
from oslo_config import cfg
from oslo_config import types as cfg_types
from oslo_db import options as db_options
from oslo_log import log
from oslo_reports import opts as report_options

from gateway.conf import broker, coordination, deploying, listeners, metrics, registry

ROLES = ("api", "engine", "monitor", "rpc")
_AUTH = "keystone_authtoken"

_default = [
    cfg.StrOpt("state_path", default="/var/lib/gateway", help="Folder for the database, artifacts and keys."),
    cfg.MultiOpt(
        "role",
        item_type=cfg_types.String(choices=ROLES),
        help="What this gatewayd runs; may be given several times. Default: all.",
    ),
    cfg.FloatOpt(
        "worker_timeout",
        default=60,
        min=0,
        help="Seconds without a sign of life after which a process of gatewayd is killed, and another one "
        "comes in its place. 0: never.",
    ),
]

#: What clients of the seed's registry set instead of the file; wins over it.
_ENVIRONMENT = {
    "RG_RPC_PORT": ("standalone", "rpc_port"),
    "RG_HTTP_PORT": ("standalone", "http_port"),
    "RG_HTTPS_PORT": ("standalone", "https_port"),
    "RG_CERT_FILE": ("standalone", "cert_file"),
    "RG_KEY_FILE": ("standalone", "key_file"),
    "RG_TIMEOUT": ("standalone", "timeout"),
    "RG_RETRIES": ("standalone", "retries"),
    "RG_BALANCER": ("registry", "balancer"),
}

_GROUPS: dict[str, Sequence[cfg.Opt]] = {
    "DEFAULT": _default,
    "api": listeners.API,
    "cloud": deploying.CLOUD,
    "engine": deploying.ENGINE,
    "deploy": deploying.DEPLOY,
    "ssh": deploying.SSH,
    "registry": registry.REGISTRY,
    "rpc": listeners.RPC,
    "standalone": listeners.STANDALONE,
    "consul": listeners.CONSUL,
    "dns": listeners.DNS,
    "monitor": registry.MONITOR,
    "webhooks": registry.WEBHOOKS,
    "broker": broker.BROKER,
    "coordination": coordination.COORDINATION,
    "metrics": metrics.METRICS,
    "secrets": deploying.SECRETS,
}


def register(conf: cfg.ConfigOpts) -> None:
    for group, opts in _GROUPS.items():
        if group == "DEFAULT":
            conf.register_cli_opts(opts)
        else:
            conf.register_opts(opts, group)
    log.register_options(conf)
    report_options.set_defaults(conf)
    # novaclient's debug messages have the user data, and in it the host's private key
    quiet = [
        f"{name}=WARN"
        for name in ("novaclient", "paramiko", "alembic", "barbicanclient", "_granian", "openstack")
    ]
    log.set_defaults(default_log_levels=log.get_default_log_levels() + quiet)
    conf.register_opts(db_options.database_opts, "database")
    loading.register_auth_conf_options(conf, _AUTH)
    conf.set_default("connection", "sqlite:///$state_path/gateway.db", "database")


def _check(conf: cfg.ConfigOpts) -> None:
    """oslo.config looks at a value when it is first asked for, which is too late to say that it is wrong."""
    for group, opts in _GROUPS.items():
        for opt in opts:
            getattr(conf if group == "DEFAULT" else conf[group], opt.dest)


def load(argv: Sequence[str], config_files: Sequence[str] | None = None) -> cfg.ConfigOpts:
    """The configuration of one process, from the command line and the files; raises oslo_config errors."""
    conf = cfg.ConfigOpts()
    register(conf)
    conf(list(argv), project="gateway", default_config_files=config_files)
    _check(conf)
    _heed_environment(conf)
    _check_projects(conf)
    return conf


def _heed_environment(conf: cfg.ConfigOpts) -> None:
    for name, (group, option) in _ENVIRONMENT.items():
        if os.environ.get(name):
            try:
                conf.set_override(option, os.environ[name], group)
            except ValueError as error:
                raise cfg.Error(f"{name}: {error}") from error


def _check_projects(conf: cfg.ConfigOpts) -> None:
    if conf.dns.port and not conf.dns.project_id:
        raise cfg.Error("[dns] project_id must say whose registry its port shows")
    own = conf.standalone
    if not (own.http_port or own.https_port or own.rpc_port):
        return
    if not own.project_id:
        raise cfg.Error("[standalone] project_id must say whose registry its ports serve")
    if own.https_port and not (own.cert_file and own.key_file):
        raise cfg.Error("[standalone] https_port needs cert_file and key_file (RG_CERT_FILE, RG_KEY_FILE)")


def list_opts() -> list[tuple[str, Sequence[cfg.Opt]]]:
    """For oslo-config-generator, which writes etc/gateway/gateway.conf.sample."""
    return list(_GROUPS.items())
