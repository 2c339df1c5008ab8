"""Every option, in one place. ``load`` makes the ConfigOpts handed to the parts; none reads a global."""

import os
from collections.abc import Sequence

from keystoneauth1 import loading
from oslo_config import cfg
from oslo_config import types as cfg_types
from oslo_db import options as db_options
from oslo_log import log

ROLES = ("api", "engine", "monitor", "rpc")
_AUTH = "keystone_authtoken"

_default = [
    cfg.StrOpt("state_path", default="/var/lib/gateway", help="Folder for the database, artifacts and keys."),
    cfg.MultiOpt(
        "role",
        item_type=cfg_types.String(choices=ROLES),
        help="What this gatewayd runs; may be given several times. Default: all.",
    ),
]

_api = [
    cfg.HostAddressOpt("host", default="127.0.0.1", help="Address to listen on."),
    cfg.PortOpt("port", default=8790, help="Port to listen on."),
    cfg.IntOpt("workers", default=2, min=1, help="API processes."),
    cfg.IntOpt("threads", default=8, min=1, help="Requests that one process works on at the same time."),
    cfg.IntOpt(
        "max_waiters",
        default=1000,
        min=0,
        help="Requests that may wait in one process for something to happen (followed logs, the change "
        "feed), besides those that it works on; each has a thread, of about 0.1 MB.",
    ),
    cfg.FloatOpt(
        "heartbeat",
        default=15,
        min=0.1,
        help="Seconds after which a request that waits is sent a sign of life, by which it is also found out "
        "that a client has gone.",
    ),
    cfg.URIOpt(
        "public_url", schemes=["http", "https"], help="How clients reach the API; default: from the request."
    ),
    cfg.BoolOpt(
        "fast_path",
        default=True,
        help="Answer the registry's most frequent reads (the best instance, a type, an instance) before the "
        "pipeline, to tokens accepted less than [keystone_authtoken] token_cache_time ago. Such answers are "
        "not logged one by one, but counted once a second.",
    ),
    cfg.IntOpt("max_body", default=1024 * 1024, min=1024, help="Largest JSON body, bytes."),
    cfg.IntOpt("max_limit", default=1000, min=1, help="Most items in one page of a list, and its default."),
]

_cloud = [
    cfg.StrOpt("region_name", help="Region of the service catalogue; default: the only one."),
    cfg.StrOpt(
        "interface", default="public", choices=["public", "internal", "admin"], help="Which endpoints."
    ),
    cfg.StrOpt("cafile", help="CA bundle for the OpenStack services; default: the system's."),
    cfg.FloatOpt("connect_timeout", default=10, min=0.1, help="Seconds to connect to an OpenStack service."),
    cfg.FloatOpt("timeout", default=60, min=1, help="Seconds to wait for an OpenStack service's answer."),
    cfg.FloatOpt("boot_timeout", default=600, min=1, help="Seconds for a server to become ACTIVE."),
    cfg.FloatOpt("delete_timeout", default=300, min=1, help="Seconds for a server to be gone."),
]

_engine = [
    cfg.FloatOpt(
        "drain_timeout",
        default=10,
        min=0,
        help="Seconds that steps under way get at shutdown; what is not done then goes on at the next start.",
    ),
    cfg.FloatOpt("poll_interval", default=0.1, min=0.05, help="Seconds between looks for new work."),
    cfg.FloatOpt(
        "sweep_interval",
        default=300,
        min=0,
        help="Seconds between looks for servers, floating IPs, security groups and trusts that this gateway "
        "made and knows no deployment for; what is seen twice is deleted. 0: never. It takes the admin role "
        "of the user of [keystone_authtoken] to see all projects.",
    ),
    cfg.FloatOpt(
        "heal_interval",
        default=5,
        min=0.1,
        help="Seconds between looks for servers to be replaced, of deployments that ask for it (heal).",
    ),
    cfg.IntOpt("max_deployments", default=16, min=1, help="Deployments worked on at the same time."),
    cfg.IntOpt(
        "max_servers", default=32, min=1, help="Servers of one deployment worked on at the same time."
    ),
]

_deploy = [
    cfg.IntOpt("max_replicas", default=32, min=1, help="Most replicas of one deployment."),
    cfg.IntOpt("max_artifact", default=512 * 1024 * 1024, min=1024, help="Largest artifact, bytes."),
    cfg.FloatOpt(
        "command_timeout", default=900, min=1, help="Seconds for one remote step (packages, setup)."
    ),
    cfg.FloatOpt(
        "healthy_timeout", default=120, min=1, help="Seconds for a started service to pass its check."
    ),
    cfg.IntOpt(
        "keep_releases",
        default=5,
        min=2,
        help="Releases of a service that stay on its servers and can be rolled back to, the running one too.",
    ),
    cfg.StrOpt("root_path", default="/opt/gateway", help="Folder on the server that holds the services."),
]

_ssh = [
    cfg.PortOpt("port", default=22, help="Port of sshd on the servers."),
    cfg.FloatOpt("ready_timeout", default=600, min=1, help="Seconds from ACTIVE to the first login."),
    cfg.FloatOpt(
        "return_timeout",
        default=60,
        min=1,
        help="Seconds for a login where the gateway has been before: a server that is away for longer fails "
        "the step, or keeps what was to be taken off it.",
    ),
    cfg.FloatOpt(
        "connect_timeout",
        default=10,
        min=0.1,
        help="Seconds for one TCP connection, and for a channel in one that is there.",
    ),
    cfg.FloatOpt("banner_timeout", default=30, min=0.1, help="Seconds for sshd's banner."),
    cfg.FloatOpt("handshake_timeout", default=30, min=0.1, help="Seconds to agree on keys with sshd."),
    cfg.FloatOpt("auth_timeout", default=30, min=0.1, help="Seconds for the login."),
    cfg.IntOpt(
        "keepalive_interval",
        default=15,
        min=1,
        help="Seconds between signs of life on a connection where nothing else is sent; a server that has "
        "acknowledged nothing for three of them is given up.",
    ),
    cfg.FloatOpt(
        "retry_interval", default=0.25, min=0.05, help="Seconds between tries while a server boots."
    ),
]

_registry = [
    cfg.StrOpt(
        "balancer",
        default="WRR",
        choices=[
            ("RR", "one after the other, whatever their weights"),
            ("RND", "random, whatever their weights"),
            ("WRR", "in turns, by weight"),
            ("WRND", "random, by weight"),
            ("LL", "the one whose health checks are answered soonest; by weight among those about as quick"),
        ],
        help="How `best` chooses.",
    ),
    cfg.FloatOpt(
        "refresh_interval",
        default=0.05,
        min=0.01,
        help="Seconds between looks for changes by others, where the database does not tell of them: all but "
        "SQLite.",
    ),
    cfg.FloatOpt(
        "wake_interval",
        default=0.02,
        min=0.001,
        help="Seconds between looks for changes while requests wait for them (the change feed).",
    ),
    cfg.FloatOpt(
        "changes_kept_for",
        default=86400,
        min=1,
        help="Seconds that changes are kept in the log; who was away for longer reads the instances anew.",
    ),
    cfg.IntOpt("max_changes", default=1_000_000, min=1, help="Most changes that are kept in the log."),
    cfg.ListOpt(
        "blocked_networks",
        default=[
            "0.0.0.0/8",
            "127.0.0.0/8",
            "169.254.0.0/16",
            "224.0.0.0/4",
            "::/128",
            "::1/128",
            "fe80::/10",
            "ff00::/8",
        ],
        help="Networks that instances may not be in, whoever says so: health checks must not reach the "
        "gateway's own host or the metadata service. Projects choose the addresses of their own networks, so "
        "add what the gateway reaches and they must not.",
    ),
    cfg.ListOpt(
        "allowed_networks",
        default=[],
        help="Networks that any instance may be in. Outside of them, and with the default everywhere, the "
        "host must be an address of one of the project's own servers, fixed or floating; host names are for "
        "these networks alone, and what they point to is judged anew at each check.",
    ),
    cfg.IntOpt(
        "signature_lifetime",
        default=86400,
        min=60,
        help="Seconds that a minted signature is valid; those of deployments are renewed at half of it.",
    ),
    cfg.IntOpt("key_lifetime", default=30 * 86400, min=60, help="Seconds that one key signs."),
    cfg.ListOpt(
        "trusted_keys",
        default=[],
        help="Files of public keys, in PEM or as a JWKS, whose tokens are taken as signatures too. Each is "
        "bound to one algorithm: RS256, ES256, ES384, ES512 or EdDSA, by its kind.",
    ),
    cfg.StrOpt(
        "shared_secret_file",
        help="File of a secret, at least 32 bytes, whose HS256 tokens are taken as signatures too.",
    ),
    cfg.StrOpt(
        "trusted_project_id",
        help="Project that tokens of trusted keys and of the shared secret are for when they have no claim "
        "project_id; default: they must have one.",
    ),
]

_rpc = [
    cfg.HostAddressOpt("host", default="127.0.0.1", help="Address that the registry's gRPC listens on."),
    cfg.PortOpt("port", default=8791, help="Its port."),
    cfg.IntOpt("workers", default=1, min=1, help="gRPC processes."),
    cfg.IntOpt("threads", default=8, min=1, help="Calls that one process works on at the same time."),
    cfg.IntOpt("max_calls", default=1000, min=1, help="Calls that may wait for it, too; more are refused."),
    cfg.IntOpt("max_message", default=1024 * 1024, min=1024, help="Largest message it takes, bytes."),
    cfg.IntOpt("max_answer", default=64 * 1024 * 1024, min=1024, help="Largest message it sends, bytes."),
    cfg.FloatOpt("drain_timeout", default=10, min=0, help="Seconds that calls get to end at shutdown."),
    cfg.StrOpt("cert_file", help="Certificate (PEM, with its chain) for TLS; default: no TLS."),
    cfg.StrOpt("key_file", help="Its private key; default: in the same file."),
    cfg.StrOpt("client_ca_file", help="CA that clients must have a certificate of; default: they need none."),
]

_standalone = [
    cfg.StrOpt("project_id", help="The project whose registry these listeners serve."),
    cfg.HostAddressOpt("host", default="127.0.0.1", help="Address that they listen on."),
    cfg.PortOpt("http_port", default=0, help="Port of HTTP; 0: off. Also RG_HTTP_PORT."),
    cfg.PortOpt("https_port", default=0, help="Port of HTTPS; 0: off. Also RG_HTTPS_PORT."),
    cfg.PortOpt("rpc_port", default=0, help="Port of gRPC; 0: off. Also RG_RPC_PORT."),
    cfg.StrOpt("cert_file", help="Certificate (PEM, with its chain) for HTTPS. Also RG_CERT_FILE."),
    cfg.StrOpt("key_file", help="Its private key. Also RG_KEY_FILE."),
    cfg.ListOpt(
        "allowed_networks",
        default=["127.0.0.0/8", "::1/128"],
        help="Networks whose clients may read. Who registers needs a valid signature instead.",
    ),
    cfg.FloatOpt(
        "timeout",
        default=5,
        min=0.1,
        help="Seconds for a health check of what is registered here. Also RG_TIMEOUT.",
    ),
    cfg.IntOpt(
        "retries",
        default=2,
        min=0,
        max=100,
        help="How often a health check is made again before it counts as failed, when a service is "
        "registered and ever after. Also RG_RETRIES.",
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

_consul = [
    cfg.PortOpt("port", default=0, help="Port of the registry as Consul's HTTP API has it; 0: off."),
    cfg.HostAddressOpt("host", default="127.0.0.1", help="Address that it listens on."),
    cfg.StrOpt(
        "project_id", help="Whose registry is shown to callers without a token; default: they see nothing."
    ),
    cfg.ListOpt(
        "allowed_networks",
        default=["127.0.0.0/8", "::1/128"],
        help="Networks whose clients may read without a token.",
    ),
    cfg.StrOpt("datacenter", default="gateway", help="What it calls itself."),
]

_dns = [
    cfg.PortOpt("port", default=0, help="Port, UDP and TCP, of the registry as DNS; 0: off."),
    cfg.HostAddressOpt("host", default="127.0.0.1", help="Address that it listens on."),
    cfg.StrOpt("project_id", help="Whose registry it shows."),
    cfg.StrOpt("domain", default="gateway", help="The zone: names are TYPE.service.ZONE."),
    cfg.IntOpt("ttl", default=5, min=0, help="Seconds that its answers may be kept."),
    cfg.ListOpt(
        "allowed_networks",
        default=["127.0.0.0/8", "::1/128"],
        help="Networks whose clients are answered; the others get nothing.",
    ),
    cfg.IntOpt(
        "max_rate",
        default=1000,
        min=1,
        help="Answers over UDP a second to one network (/24, /56); what is more is told to come by TCP.",
    ),
    cfg.IntOpt("max_connections", default=100, min=1, help="TCP connections at the same time."),
]

_webhooks = [
    cfg.IntOpt("max_subscriptions", default=100, min=0, help="Most subscriptions of one project."),
    cfg.FloatOpt("timeout", default=10, min=0.1, help="Seconds for a receiver's whole answer."),
    cfg.IntOpt("attempts", default=10, min=1, help="How often a change is sent before it is given up."),
    cfg.FloatOpt(
        "retry_interval", default=1, min=0.01, help="Seconds to the second attempt, doubled each time."
    ),
    cfg.FloatOpt("max_retry_interval", default=300, min=0.01, help="Most seconds between two attempts."),
]


def _place(text: str) -> str:
    host, colon, port = text.rpartition(":")
    if not (host and colon and port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise ValueError(f"{text!r} is not HOST:PORT")
    return text


_monitor = [
    cfg.IntOpt("max_checks", default=16384, min=1, help="Health checks under way at the same time."),
    cfg.IntOpt(
        "max_tunnelled",
        default=16,
        min=1,
        help="Of them through jump hosts, and as many by commands over SSH; each takes a thread.",
    ),
    cfg.FloatOpt("refresh_interval", default=0.25, min=0.05, help="Seconds between looks for new instances."),
    cfg.BoolOpt("verify_tls", default=False, help="Verify the certificates of https instances."),
    cfg.FloatOpt(
        "brake_share",
        default=0.5,
        min=0,
        max=1,
        help="When more than this share of a project's instances fail together, none is removed, and `best` "
        "goes on with those that were good before.",
    ),
    cfg.IntOpt("brake_minimum", default=5, min=1, help="Instances of a project from which on that holds."),
    cfg.FloatOpt(
        "brake_window", default=60, min=1, help="Seconds within which those begin to fail that fail together."
    ),
    cfg.FloatOpt(
        "brake_patience", default=600, min=1, help="Seconds after which even those are believed to be dead."
    ),
    cfg.ListOpt(
        "reference",
        default=[],
        item_type=_place,
        help="HOST:PORT of places that the monitor can reach by TCP whenever its network works. While it "
        "reaches none of them nothing is removed, and `best` goes on as with the brake. Default: not looked "
        "at.",
    ),
    cfg.FloatOpt(
        "outage",
        default=10,
        min=1,
        help="Seconds without the database, after which failures count again only one interval later.",
    ),
]

_secrets = [
    cfg.StrOpt(
        "backend",
        default="files",
        choices=[
            ("files", "a folder, key_repository"),
            (
                "castellan",
                "castellan's key manager, such as Barbican: see [key_manager] and [barbican]",
            ),
        ],
        help="Where the keys are that seal secrets in the database.",
    ),
    cfg.StrOpt(
        "key_name",
        default="gateway",
        help="What the key manager's keys are named, with a number behind. Two gateways whose keys are in "
        "one Barbican project need different names.",
    ),
    cfg.StrOpt(
        "key_repository",
        default="$state_path/keys",
        help="Folder (mode 0700) of the Fernet keys (0600); `gateway-manage secrets rotate` adds one.",
    ),
]

_GROUPS: dict[str, Sequence[cfg.Opt]] = {
    "DEFAULT": _default,
    "api": _api,
    "cloud": _cloud,
    "engine": _engine,
    "deploy": _deploy,
    "ssh": _ssh,
    "registry": _registry,
    "rpc": _rpc,
    "standalone": _standalone,
    "consul": _consul,
    "dns": _dns,
    "monitor": _monitor,
    "webhooks": _webhooks,
    "secrets": _secrets,
}


def register(conf: cfg.ConfigOpts) -> None:
    for group, opts in _GROUPS.items():
        if group == "DEFAULT":
            conf.register_cli_opts(opts)
        else:
            conf.register_opts(opts, group)
    log.register_options(conf)
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
