"""clouds.yaml and OS_…: the plain cases read here say the same as openstacksdk."""

import argparse
import os
import subprocess
import sys

import pytest
import yaml
from keystoneauth1 import identity
from openstack import config as openstack_config

from gateway.cli import clouds

AUTH = {
    "auth_url": "http://keystone.test/v3",
    "username": "demo",
    "password": "secret",
    "project_name": "demo",
    "user_domain_name": "Default",
    "project_domain_name": "Default",
}
ADMIN = {**AUTH, "username": "admin", "auth_url": "http://keystone.test"}
CREDENTIAL = {
    "auth_url": AUTH["auth_url"],
    "application_credential_id": "abc",
    "application_credential_secret": "def",
}
FILE = {
    "clouds": {
        "demo": {"auth": AUTH, "region_name": "RegionOne", "interface": "internal", "verify": False}
        | {"gateway_service_type": "gateway-2"},
        "admin": {"auth": ADMIN, "identity_api_version": 3, "cacert": "/ca.pem"},
        "credential": {"auth": CREDENTIAL, "auth_type": "v3applicationcredential"},
        "regions": {"auth": AUTH, "regions": ["One", "Two"]},
        "oidc": {
            "auth": {
                "auth_url": AUTH["auth_url"],
                "identity_provider": "i",
                "protocol": "p",
                "access_token": "t",
            },
            "auth_type": "v3oidcaccesstoken",
        },
    }
}


@pytest.fixture
def home(monkeypatch, tmp_path):
    for name in [n for n in os.environ if n.startswith(("OS_", "XDG_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(tmp_path / "mine.yaml"))
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(FILE))
    return tmp_path


def connected(*argv):
    parser = argparse.ArgumentParser()
    parser.add_argument("--request-timeout", type=float, default=5.0)
    clouds.add_options(parser)
    return clouds.connect(parser.parse_args(argv))


@pytest.mark.parametrize("name", ["demo", "credential", "regions", "oidc"])
def test_a_cloud_means_what_openstacksdk_says(home, name):
    ours = connected("--os-cloud", name)
    region = openstack_config.OpenStackConfig().get_one(cloud=name)
    theirs = region.get_session()
    assert ours.region_name == (region.get_region_name() or None)
    assert ours.interface == (region.get_interface() or "public")
    assert ours.service_type == region.config.get("gateway_service_type")
    assert ours.session.verify == theirs.verify
    assert _sent(ours.session) == _sent(theirs)
    assert ours.session.timeout == 5.0


def _sent(session):
    """The parts of the plugin that decide who logs in where, whichever version of its class it is."""
    if isinstance(session.auth, identity.V3OidcAccessToken):
        return session.auth.access_token
    elements = session.auth.get_cache_id_elements()
    return {key.removeprefix("password_"): value for key, value in elements.items() if value}


@pytest.mark.parametrize(
    ("variables", "argv", "username"),
    [
        ({"OS_CLOUD": "demo"}, [], "demo"),
        ({"OS_CLOUD": "demo"}, ["--os-cloud", "admin"], "admin"),
        ({"OS_CLOUD": "demo", "OS_USERNAME": "env"}, [], "env"),
        ({"OS_CLOUD": "demo", "OS_USERNAME": "env"}, ["--os-username", "option"], "option"),
        ({f"OS_{name.upper()}": value for name, value in AUTH.items()}, [], "demo"),
    ],
)
def test_options_win_over_variables_over_the_file(home, monkeypatch, variables, argv, username):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    auth = connected(*argv).session.auth
    assert username in str(auth.get_cache_id_elements())


def test_secure_yaml_is_merged(home):
    without = {**AUTH}
    del without["password"]
    (home / "mine.yaml").write_text(yaml.safe_dump({"clouds": {"demo": {"auth": without}}}))
    (home / "secure.yaml").write_text(yaml.safe_dump({"clouds": {"demo": {"auth": {"password": "kept"}}}}))
    assert connected("--os-cloud", "demo").session.auth.get_cache_id_elements()


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], r"Which cloud\? .* has: admin, credential, demo"),
        (["--os-cloud", "nowhere"], r"no cloud 'nowhere'. .* has: admin"),
    ],
)
def test_no_cloud_says_which_there_are(home, argv, message):
    with pytest.raises(clouds.ConfigError, match=message):
        connected(*argv)


def test_without_any_file(home, monkeypatch):
    monkeypatch.delenv("OS_CLIENT_CONFIG_FILE")
    with pytest.raises(clouds.ConfigError, match="No clouds"):
        connected()


def test_the_plain_way_imports_no_openstacksdk():
    script = (
        "import sys; from gateway.cli import main; shell = main.Shell()\n"
        "shell.options = shell.parser.parse_args(sys.argv[1:]); shell.gateway\n"
        "sys.exit('openstack' in sys.modules or any(m.startswith('gateway.api') for m in sys.modules))"
    )
    argv = [f"--os-{name.replace('_', '-')}={value}" for name, value in AUTH.items()]
    assert subprocess.run([sys.executable, "-c", script, *argv], timeout=60).returncode == 0
