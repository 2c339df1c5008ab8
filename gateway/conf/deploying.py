"""The options of deploying: OpenStack, the engine, the servers, and the keys that seal secrets."""

from oslo_config import cfg

CLOUD = [
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

ENGINE = [
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

DEPLOY = [
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

SSH = [
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

SECRETS = [
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
