"""The registry as a DNS zone: what a query is answered, from a view of the registry. Pure.

=================================  =====================  ======================================
Name, in the zone "gateway"        Types                  Answer
=================================  =====================  ======================================
``TYPE.service.gateway``           A, AAAA, CNAME, SRV,   those of its instances that may be used:
                                   TXT                    passing, with a weight above 0
``_TYPE._tcp.service.gateway``     SRV, TXT               the same, as RFC 2782 writes it
``NAME.instance.gateway``          A, AAAA, CNAME, TXT    one instance, whatever its health
``gateway``                        SOA, NS                the zone itself
=================================  =====================  ======================================

SRV has the instance's weight and port; its targets' addresses come along. Names are compared without regard
to case; a type whose name has dots is asked for with them. A name that is not there is NXDOMAIN, one without
records of that type an empty answer, both with the SOA; what is outside of the zone is REFUSED.
"""

import dataclasses
import ipaddress
import random
from collections.abc import Iterable

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset
from dns.rdtypes.ANY import CNAME, NS, SOA, TXT
from dns.rdtypes.IN import AAAA, SRV, A

from gateway.registry.choice import matching
from gateway.registry.model import Instance, split_name
from gateway.registry.query import Query
from gateway.registry.snapshot import Types

_IN = dns.rdataclass.IN
_MAX_WEIGHT = 65535
_NEGATIVE_TTL = 5  # seconds


@dataclasses.dataclass(frozen=True)
class Zone:
    """``serial``: the change index that the answer stands at."""

    origin: dns.name.Name
    ttl: int

    def answer(self, query: dns.message.Message, types: Types, serial: int) -> dns.message.Message:
        """What is answered to one question about ``types``, the service types of a project."""
        response = dns.message.make_response(query, recursion_available=False, our_payload=1232)
        if query.opcode() != dns.opcode.QUERY:
            response.set_rcode(dns.rcode.NOTIMP)
            return response
        if len(query.question) != 1:
            response.set_rcode(dns.rcode.FORMERR)
            return response
        (question,) = query.question
        if question.rdclass != _IN or not question.name.is_subdomain(self.origin):
            response.set_rcode(dns.rcode.REFUSED)
            return response
        response.flags |= dns.flags.AA
        self._fill(response, question.name, question.rdtype, types, serial)
        return response

    def _fill(self, response, name: dns.name.Name, rdtype: int, types: Types, serial: int) -> None:
        known, rdatas = self._found(name, rdtype, types, serial)
        if rdatas:
            response.answer.append(dns.rrset.from_rdata_list(name, self.ttl, rdatas))
        else:
            soa = dns.rrset.from_rdata(self.origin, _NEGATIVE_TTL, self._soa(serial))
            response.authority.append(soa)
        if not known:
            response.set_rcode(dns.rcode.NXDOMAIN)
        if rdtype == dns.rdatatype.SRV:
            response.additional.extend(self._addresses(rdatas, types))

    def _found(self, name: dns.name.Name, rdtype: int, types: Types, serial: int) -> tuple[bool, list]:
        """Whether there is such a name, and its records of that type."""
        labels = [label.decode("ascii", "replace").lower() for label in name.relativize(self.origin).labels]
        match labels:
            case []:
                apex = {dns.rdatatype.SOA: self._soa(serial), dns.rdatatype.NS: self._ns()}
                return True, [apex[rdtype]] if rdtype in apex else []
            case [*parts, "_tcp", "service"] if len(parts) > 0 and parts[0].startswith("_"):
                instances = _of_type(types, ".".join(parts)[1:])
                srv_or_txt = rdtype in (dns.rdatatype.SRV, dns.rdatatype.TXT)
                return instances is not None, self._records(instances or [], rdtype) if srv_or_txt else []
            case [*parts, "service"] if parts:
                instances = _of_type(types, ".".join(parts))
                return instances is not None, self._records(instances or [], rdtype)
            case [*parts, "instance"] if parts:
                instance = _named(types, ".".join(parts))
                single = [instance] if instance and rdtype != dns.rdatatype.SRV else []
                return instance is not None, self._records(single, rdtype)
            case ["service"] | ["instance"] | ["ns"]:
                return True, []
        return False, []

    def _records(self, instances: list[Instance], rdtype: int) -> list:
        match rdtype:
            case dns.rdatatype.SRV:
                return [self._srv(instance) for instance in _shuffled(instances)]
            case dns.rdatatype.TXT:
                return [_txt(instance) for instance in instances]
            case dns.rdatatype.A | dns.rdatatype.AAAA | dns.rdatatype.CNAME:
                return _located(_shuffled(instances), rdtype)
        return []

    def _srv(self, instance: Instance) -> SRV.SRV:
        """Targets are names, which a host already is or an instance has here."""
        if _address(instance) is None:
            target = dns.name.from_text(instance.host)
        else:
            target = dns.name.from_text(f"{instance.name}.instance", self.origin)
        weight = min(instance.weight, _MAX_WEIGHT)
        return SRV.SRV(_IN, dns.rdatatype.SRV, 1, weight, instance.port, target)

    def _addresses(self, targets: Iterable[SRV.SRV], types: Types) -> Iterable[dns.rrset.RRset]:
        for name in dict.fromkeys(rdata.target for rdata in targets):
            for rdtype in (dns.rdatatype.A, dns.rdatatype.AAAA):
                found = self._found(name, rdtype, types, 0)[1] if name.is_subdomain(self.origin) else []
                if found:
                    yield dns.rrset.from_rdata_list(name, self.ttl, found)

    def _ns(self) -> NS.NS:
        return NS.NS(_IN, dns.rdatatype.NS, dns.name.from_text("ns", self.origin))

    def _soa(self, serial: int) -> SOA.SOA:
        names = (dns.name.from_text(label, self.origin) for label in ("ns", "hostmaster"))
        return SOA.SOA(_IN, dns.rdatatype.SOA, *names, serial % 2**32, 3600, 600, 86400, _NEGATIVE_TTL)


def _of_type(types: Types, name: str) -> list[Instance] | None:
    """Those to be used, of all types of that name in any case; None where there is no such type."""
    found = types.folded.get(name)
    return [each.instances[number] for each in found for number in matching(each, Query())] if found else None


def _named(types: Types, name: str) -> Instance | None:
    try:
        type_, ordinal = split_name(name)
    except ValueError:
        return None
    found = (each.instances.get(ordinal) for each in types.folded.get(type_, ()))
    return next((instance for instance in found if instance is not None), None)


def _shuffled(instances: list[Instance]) -> list[Instance]:
    return random.sample(instances, len(instances))


def _address(instance: Instance) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(instance.host)
    except ValueError:
        return None


def _located(instances: list[Instance], rdtype: int) -> list:
    """Addresses of that kind; a host that is a name is the one CNAME where there is no address at all."""
    addresses = {str(found): found for found in map(_address, instances) if found is not None}
    if rdtype == dns.rdatatype.A:
        rdatas = [A.A(_IN, rdtype, text) for text, each in addresses.items() if each.version == 4]
    elif rdtype == dns.rdatatype.AAAA:
        rdatas = [AAAA.AAAA(_IN, rdtype, text) for text, each in addresses.items() if each.version == 6]
    else:
        rdatas = []
    if not addresses and instances:
        host = dns.name.from_text(instances[0].host)
        rdatas = [CNAME.CNAME(_IN, dns.rdatatype.CNAME, host)]
    return rdatas


def _txt(instance: Instance) -> TXT.TXT:
    texts = {
        "name": instance.name,
        "proto": instance.proto,
        "version": instance.version,
        "tags": ",".join(instance.tags),
    }
    strings = [f"{name}={value}".encode()[:255] for name, value in texts.items() if value]
    return TXT.TXT(_IN, dns.rdatatype.TXT, strings)
