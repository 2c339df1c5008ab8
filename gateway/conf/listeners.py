"""The options of what listens: the API, gRPC, and how the registry is seen by clients of other kinds."""

from oslo_config import cfg

API = [
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
    cfg.IntOpt(
        "max_journals",
        default=16,
        min=0,
        help="Journals of services that one process reads at the same time, each over an SSH connection of "
        "its own, with three threads.",
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
    cfg.ListOpt(
        "health_networks",
        default=["127.0.0.0/8", "::1/128"],
        help="Networks whose clients may see the details of /healthcheck?detailed.",
    ),
    cfg.IntOpt("max_body", default=1024 * 1024, min=1024, help="Largest JSON body, bytes."),
    cfg.IntOpt("max_limit", default=1000, min=1, help="Most items in one page of a list, and its default."),
]

RPC = [
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

STANDALONE = [
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

CONSUL = [
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

DNS = [
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
