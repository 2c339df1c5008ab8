import pytest
from oslo_config import cfg

from gateway import conf as options
from gateway import errors
from gateway.registry.model import Registration
from gateway.registry.standalone import Networks, Standalone
from gateway.tests import registered

READ, REGISTER = "gateway:registry:get", "gateway:registry:register"


@pytest.mark.parametrize("address", ["10.1.2.3", "::ffff:10.1.2.3", "fd00::1"])
def test_who_may_read(address):
    assert Networks("p", ["10.0.0.0/8", "fd00::/8"]).project_of(address, READ) == "p"


@pytest.mark.parametrize("address", ["11.1.2.3", "::1", "::ffff:127.0.0.1"])
def test_who_may_not(address):
    networks = Networks("p", ["10.0.0.0/8", "fd00::/8"])
    with pytest.raises(errors.Forbidden):
        networks.project_of(address, READ)
    assert networks.project_of(address, REGISTER) == "p"  # with a signature
    with pytest.raises(errors.Forbidden):
        networks.project_of("10.1.2.3", "gateway:registry:remove")


def test_the_seed_s_variables_win_over_the_file(tmp_path, monkeypatch):
    file = tmp_path / "gateway.conf"
    file.write_text("[standalone]\nproject_id = p\nhttp_port = 1\ntimeout = 3\n")
    monkeypatch.setenv("RG_HTTP_PORT", "8001")
    monkeypatch.setenv("RG_HTTPS_PORT", "0")
    monkeypatch.setenv("RG_RETRIES", "7")
    monkeypatch.setenv("RG_BALANCER", "RND")
    conf = options.load([], [str(file)])
    own = conf.standalone
    assert (own.http_port, own.https_port, own.retries, own.timeout) == (8001, 0, 7, 3)
    assert conf.registry.balancer == "RND"


@pytest.mark.parametrize(
    ("name", "value"),
    [("RG_TIMEOUT", "0"), ("RG_RETRIES", "-1"), ("RG_HTTP_PORT", "65536"), ("RG_BALANCER", "rr?")],
)
def test_variables_that_are_none(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with pytest.raises(cfg.Error, match=name):
        options.load([], [])


def test_https_needs_a_certificate(monkeypatch, tmp_path):
    file = tmp_path / "gateway.conf"
    file.write_text("[standalone]\nproject_id = p\nhttps_port = 8443\n")
    with pytest.raises(cfg.Error, match="cert_file"):
        options.load([], [str(file)])


def test_what_is_registered_is_signed_and_tried_again(tmp_path):
    conf = registered.configuration(tmp_path)
    conf.set_override("retries", 2, "standalone")
    conf.set_override("timeout", 4.0, "standalone")
    registry = registered.registry(conf)
    standalone = Standalone(conf, registry)
    with registered.service() as service:
        wanted = Registration("auth", "http", "127.0.0.1", service.port)
        with pytest.raises(errors.Invalid, match="signature"):
            standalone.register("p", wanted)
        signed = Registration(
            "auth", "http", "127.0.0.1", service.port, signature=registry.mint("p", "auth").text
        )
        service.status = 500
        with pytest.raises(errors.Unhealthy):
            standalone.register("p", signed)
        assert len(service.asked) == 3
        service.status = 200
        check = standalone.register("p", signed).check
    assert (check.timeout, check.failures_before_critical) == (4.0, 3)
    assert standalone.types("p") == ["auth"]
