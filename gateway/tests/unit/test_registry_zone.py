import ipaddress

import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import pytest

from gateway.registry.dns import Rate
from gateway.registry.model import Check, Health, Instance, Status
from gateway.registry.snapshot import whole
from gateway.registry.zone import Zone

ZONE = Zone(dns.name.from_text("gateway"), 7)


def instance(type: str, ordinal: int, host: str, status=Status.PASSING, **fields) -> Instance:
    known = {"http_port": 0, "https_port": 0, "routes": (), "check": Check(), "weight": 1, "signature": ""}
    return Instance("p", type, ordinal, "http", host, 80, health=Health(status), **(known | fields))


INSTANCES = [
    instance("web", 0, "10.0.0.1", weight=3, version="1.2", tags=("a", "b")),
    instance("web", 1, "fd00::1"),
    instance("web", 2, "10.0.0.3", Status.CRITICAL),
    instance("web", 3, "10.0.0.4", weight=0),
    instance("Api.v2", 0, "10.0.0.5", weight=70000),
    instance("named", 0, "host.example.org"),
    instance("down", 0, "10.0.0.6", Status.CRITICAL),
]
TYPES = whole(1, INSTANCES).types("p")


def ask(name: str, rdtype: str, **kwargs):
    query = dns.message.make_query(name, rdtype, **kwargs)
    return dns.message.from_wire(ZONE.answer(query, TYPES, 4711).to_wire())


def said(answer) -> list[str]:
    return sorted(rdata.to_text() for rrset in answer.answer for rdata in rrset)


@pytest.mark.parametrize(
    ("name", "rdtype", "wanted"),
    [
        ("web.service.gateway", "A", ["10.0.0.1"]),
        ("WEB.SERVICE.GATEWAY", "A", ["10.0.0.1"]),
        ("web.service.gateway", "AAAA", ["fd00::1"]),
        (
            "web.service.gateway",
            "SRV",
            ["1 1 80 web-1.instance.gateway.", "1 3 80 web-0.instance.gateway."],
        ),
        ("_api.v2._tcp.service.gateway", "SRV", ["1 65535 80 Api.v2-0.instance.gateway."]),
        ("_web._tcp.service.gateway", "A", []),
        ("api.v2.service.gateway", "A", ["10.0.0.5"]),
        ("api.v2-0.instance.gateway", "A", ["10.0.0.5"]),
        ("web-2.instance.gateway", "A", ["10.0.0.3"]),
        ("named.service.gateway", "A", ["host.example.org."]),
        ("named.service.gateway", "SRV", ["1 1 80 host.example.org."]),
        ("down.service.gateway", "A", []),
        ("web.service.gateway", "MX", []),
        ("service.gateway", "A", []),
        ("gateway", "NS", ["ns.gateway."]),
        ("gateway", "SOA", ["ns.gateway. hostmaster.gateway. 4711 3600 600 86400 5"]),
    ],
)
def test_what_is_there(name, rdtype, wanted):
    answer = ask(name, rdtype)
    assert answer.rcode() == dns.rcode.NOERROR
    assert said(answer) == wanted
    assert answer.flags & dns.flags.AA
    assert not answer.flags & dns.flags.RA
    assert all(rrset.ttl == 7 for rrset in answer.answer)
    assert bool(answer.authority) == (not wanted)  # the SOA says how long nothing may be believed


def test_an_instance_in_words():
    (text,) = (each for each in said(ask("web.service.gateway", "TXT")) if "web-0" in each)
    assert text == '"name=web-0" "proto=http" "version=1.2" "tags=a,b"'


def test_addresses_come_along_with_srv():
    answer = ask("web.service.gateway", "SRV")
    assert {rrset.name.to_text() for rrset in answer.additional} == {
        "web-0.instance.gateway.",
        "web-1.instance.gateway.",
    }


@pytest.mark.parametrize(
    "name",
    [
        "no.service.gateway",
        "web.gateway",
        "web-9.instance.gateway",
        "_no._tcp.service.gateway",
        "x.y.gateway",
    ],
)
def test_what_is_not_there(name):
    answer = ask(name, "A")
    assert answer.rcode() == dns.rcode.NXDOMAIN
    assert [rrset.rdtype.name for rrset in answer.authority] == ["SOA"]


def test_what_is_not_ours():
    assert ask("example.org", "A").rcode() == dns.rcode.REFUSED
    assert ask("web.service.gateway", "A", rdclass="CH").rcode() == dns.rcode.REFUSED
    query = dns.message.make_query("web.service.gateway", "A")
    query.set_opcode(dns.opcode.NOTIFY)
    assert ZONE.answer(query, TYPES, 1).rcode() == dns.rcode.NOTIMP
    query = dns.message.make_query("web.service.gateway", "A")
    query.question.append(query.question[0])
    assert ZONE.answer(query, TYPES, 1).rcode() == dns.rcode.FORMERR


def test_too_much_for_one_datagram_says_so():
    many = whole(1, [instance("big", number, f"10.0.{number}.1") for number in range(200)]).types("p")
    response = ZONE.answer(dns.message.make_query("big.service.gateway", "A"), many, 1)
    answer = dns.message.from_wire(response.to_wire(max_size=512, prefer_truncation=True))
    assert answer.flags & dns.flags.TC
    assert len(said(dns.message.from_wire(response.to_wire()))) == 200


def test_the_rate_of_a_network_is_bounded():
    now = 0.0
    rate = Rate(2, lambda: now)
    near, same, far = (ipaddress.ip_address(text) for text in ("10.0.0.1", "10.0.0.2", "10.0.1.1"))
    assert [rate.allows(each) for each in (near, same, near, far)] == [True, True, False, True]
    now = 1.0
    assert rate.allows(near)
