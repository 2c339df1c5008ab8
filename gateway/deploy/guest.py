"""What a guest gets at its first boot: its host key, the gateway's login key (cloud-init). Pure."""

import dataclasses
import email.mime.multipart
import email.mime.text

import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from gateway import errors

USER_DATA_LIMIT = 65535  # Nova's, base64-encoded: compute api-ref, "user_data"


@dataclasses.dataclass(frozen=True)
class KeyPair:
    """ed25519, as OpenSSH writes them: a PEM, and ``ssh-ed25519 AAAA…``."""

    private: str = dataclasses.field(repr=False)
    public: str


def key_pair() -> KeyPair:
    key = ed25519.Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return KeyPair(private.decode(), public.decode())


def user_data(host_key: KeyPair, login_key: str, extra: str | None = None) -> str:
    """cloud-init user data: sshd starts with exactly ``host_key``, the image's user may log in with
    ``login_key`` (public). ``extra`` is the user's own user data, which cloud-init runs beside it.
    Raises Invalid when it is too long for Nova."""
    config = {
        "ssh_deletekeys": True,
        "ssh_genkeytypes": [],
        "ssh_keys": {"ed25519_private": host_key.private, "ed25519_public": host_key.public},
        "ssh_authorized_keys": [login_key],
        # the user's own parts add to these lists rather than replace them
        "merge_how": "list(append)+dict(recurse_array)+str()",
    }
    ours = "#cloud-config\n" + yaml.safe_dump(config, sort_keys=False)
    data = _multipart(ours, extra) if extra else ours
    if len(data.encode()) * 4 / 3 > USER_DATA_LIMIT:
        raise errors.Invalid(
            "gateway.server.user_data",
            f"user_data is longer than Nova takes ({USER_DATA_LIMIT} bytes).",
            field="user_data",
        )
    return data


_MIME_TYPES = {
    "#!": "x-shellscript",
    "#cloud-config": "cloud-config",
    "#include": "x-include-url",
    "#cloud-boothook": "cloud-boothook",
    "#part-handler": "part-handler",
    "## template: jinja": "jinja2",
}


def _multipart(ours: str, extra: str) -> str:
    # https://docs.cloud-init.io/en/latest/explanation/format.html#mime-multi-part-archive
    subtype = next((kind for start, kind in _MIME_TYPES.items() if extra.startswith(start)), None)
    if subtype is None:
        raise errors.Invalid(
            "gateway.server.user_data",
            f"user_data must start with one of {', '.join(_MIME_TYPES)}: the gateway adds its part to it.",
            field="user_data",
        )
    whole = email.mime.multipart.MIMEMultipart()
    whole.attach(email.mime.text.MIMEText(ours, "cloud-config"))
    whole.attach(email.mime.text.MIMEText(extra, subtype))
    return whole.as_string()
