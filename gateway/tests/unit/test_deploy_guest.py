"""User data, read as cloud-init reads it; keys, as ssh-keygen and Paramiko read them."""

import email
import io

import paramiko
import pytest
import yaml

from gateway import errors
from gateway.deploy import guest


@pytest.fixture(scope="module")
def host_key():
    return guest.key_pair()


@pytest.fixture(scope="module")
def login_key():
    return guest.key_pair()


def parts(data):
    """(MIME type, text) of each part."""
    return [
        (part.get_content_type(), part.get_payload(decode=True).decode())
        for part in email.message_from_string(data).get_payload()
    ]


def test_a_key_pair_fits_together(host_key):
    read = paramiko.Ed25519Key.from_private_key(io.StringIO(host_key.private))
    assert f"{read.get_name()} {read.get_base64()}" == host_key.public
    assert "PRIVATE KEY" not in repr(host_key)


def test_sshd_starts_with_exactly_the_host_key(host_key, login_key):
    data = guest.user_data(host_key, login_key.public)
    config = yaml.safe_load(data)
    assert data.startswith("#cloud-config\n")
    assert config["ssh_keys"] == {"ed25519_private": host_key.private, "ed25519_public": host_key.public}
    assert (config["ssh_deletekeys"], config["ssh_genkeytypes"]) == (True, [])
    assert config["ssh_authorized_keys"] == [login_key.public]
    assert login_key.private not in data


@pytest.mark.parametrize(
    ("extra", "kind"),
    [
        ("#!/bin/sh\necho ñ\n", "text/x-shellscript"),
        ("#cloud-config\npackages: [git]\n", "text/cloud-config"),
        ("#include\nhttp://example.test/\n", "text/x-include-url"),
        ("## template: jinja\n#cloud-config\n{}\n", "text/jinja2"),
    ],
)
def test_the_users_own_part_comes_beside_ours(host_key, login_key, extra, kind):
    data = guest.user_data(host_key, login_key.public, extra)
    ours, theirs = parts(data)
    assert (ours[0], theirs) == ("text/cloud-config", (kind, extra))
    assert yaml.safe_load(ours[1])["ssh_keys"]["ed25519_public"] == host_key.public


@pytest.mark.parametrize("extra", ["echo hello", " #!/bin/sh", "Content-Type: multipart/mixed"])
def test_what_cloud_init_would_not_know_is_refused(host_key, login_key, extra):
    with pytest.raises(errors.Invalid) as raised:
        guest.user_data(host_key, login_key.public, extra)
    assert raised.value.field == "user_data"


def test_too_long_for_nova(host_key, login_key):
    start = "#!/bin/sh\n"
    assert guest.user_data(host_key, login_key.public, start + "x" * 46_000)
    with pytest.raises(errors.Invalid) as raised:
        guest.user_data(host_key, login_key.public, start + "x" * 49_000)
    assert (raised.value.code, raised.value.field) == ("gateway.server.user_data", "user_data")
