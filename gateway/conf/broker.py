"""The options of the broker."""

from oslo_config import cfg

BROKER = [
    cfg.ListOpt(
        "allowed_networks",
        default=[],
        help="Networks of [registry] blocked_networks that providers may be in nevertheless, such as the "
        "gateway's own host.",
    ),
    cfg.FloatOpt("timeout", default=10, min=0.1, help="Seconds for each answer of a provider."),
    cfg.FloatOpt(
        "answer_timeout",
        default=10,
        min=0,
        help="Seconds that a call waits for a service to be made or deleted before it is answered 202.",
    ),
    cfg.FloatOpt(
        "operation_timeout",
        default=1800,
        min=1,
        help="Seconds that a provider may be under way with making a service or a binding, before that is "
        "given up and taken back.",
    ),
    cfg.FloatOpt(
        "check_interval",
        default=30,
        min=0.1,
        help="Seconds between checks of each provider. One that fails twice has nothing new made on it; what "
        "an Open Service Broker offers is looked up, too.",
    ),
    cfg.FloatOpt(
        "size_interval",
        default=300,
        min=0,
        help="Seconds between looks how large the databases of MariaDB, MySQL and PostgreSQL are; 0: none.",
    ),
    cfg.IntOpt("max_services", default=100, min=0, help="Most services of one project."),
    cfg.IntOpt("max_bindings", default=10, min=1, help="Most bindings of one service."),
    cfg.IntOpt("max_work", default=16, min=1, help="Services worked on at the same time."),
    cfg.FloatOpt(
        "failed_kept_for",
        default=86400,
        min=0,
        help="Seconds that a service which could not be made is shown, with why.",
    ),
]
