"""The options of the registry: its instances, who checks them, and who is told of changes."""

from oslo_config import cfg

REGISTRY = [
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

WEBHOOKS = [
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


MONITOR = [
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
