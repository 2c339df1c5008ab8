"""Servers of databases that are believed by their certificates alone: real ones, which speak TLS."""

import dataclasses
import datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateway import errors
from gateway.broker.broker import Reach
from gateway.tests import brokered, database_servers


def certificate(host):
    """(PEM of it, PEM of it and its key), by its own authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
        .decode()
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return made, made + private.decode()


@pytest.fixture(params=["MariaDB", "PostgreSQL", "Redis"])
def served(request):
    """The server, and its certificate, which is that of localhost."""
    kind = getattr(database_servers, request.param)
    if not kind.installed:
        pytest.skip(f"needs Debian's package of {request.param}")
    ca, pem = certificate("localhost")
    server = kind(pem)
    try:
        yield server.start(), ca
    finally:
        server.stop()


def test_a_server_is_believed_by_its_certificate_alone(served, tmp_path):
    server, ca = served
    reach = Reach(brokered.configuration(tmp_path))

    def driver(host, ca):
        url = f"{server.type}://{host}:{server.port}"
        login = {"username": database_servers.USERNAME, "password": database_servers.PASSWORD}
        return reach.driver(dataclasses.replace(brokered.PROVIDER, type=server.type, url=url, ca=ca, **login))

    service, offers = brokered.service(type=server.type), brokered.offering().offers
    trusting = driver("localhost", ca)
    trusting.check(offers)
    plan = brokered.PROVIDER.offers["redis"]["free"]
    trusting.ensure(service, plan)
    (url, *_) = trusting.bind(service, service.bindings[0], plan).values()
    assert url.startswith("rediss://" if server.type == "redis" else f"{server.type}://")
    trusting.remove(service, plan)
    assert server.things() == set()
    another, _ = certificate("localhost")
    for host, wrong in (("127.0.0.1", ca), ("localhost", another)):
        with pytest.raises(errors.ProviderError) as refused:
            driver(host, wrong).check(offers)
        assert refused.value.code == "gateway.provider.unreachable"
        assert "certificate" in refused.value.message
