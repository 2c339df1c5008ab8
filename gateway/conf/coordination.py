"""The options of how the processes of one gateway find each other, on however many hosts."""

from oslo_config import cfg

_SCHEMES = ("etcd3+http", "etcd3+https", "redis")


def _url(text: str) -> str:
    scheme, separator, place = text.partition("://")
    if not (separator and place and scheme in _SCHEMES):
        raise ValueError(f"it must begin with one of {', '.join(f'{each}://' for each in _SCHEMES)}")
    return text


COORDINATION = [
    cfg.Opt(
        "backend_url",
        type=_url,
        secret=True,
        help="Where engines and monitors on several hosts find each other, as tooz reads it: "
        "etcd3+http://HOST:2379, etcd3+https (?ca_cert=FILE&cert_cert=FILE&cert_key=FILE) or "
        "redis://HOST:6379. Default: all of the gateway is on this machine, and a second gatewayd with the "
        "role engine or monitor is refused.",
    ),
    cfg.IntOpt(
        "lease",
        default=6,
        min=3,
        max=600,
        help="Seconds without a word from a process until others take its work over. It stops by itself "
        "after two thirds of them, and whoever comes waits as long before it begins.",
    ),
]
