"""The options of what operators see from outside."""

from oslo_config import cfg

METRICS = [
    cfg.PortOpt(
        "port",
        default=0,
        help="Port at which Prometheus reads /metrics of all processes of this gatewayd; 0: off, and nothing "
        "is counted. Several on one machine need different ones (OS_METRICS__PORT).",
    ),
    cfg.HostAddressOpt(
        "host", default="127.0.0.1", help="Address that it listens on. Who reaches it needs no token."
    ),
    cfg.FloatOpt(
        "database_timeout",
        default=2,
        min=0.1,
        help="Seconds for what a scrape, or a detailed health check, reads from the database; a scrape is "
        "answered without that then.",
    ),
]
