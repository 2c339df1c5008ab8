"""Providers that are no servers of databases, and what becomes of calls of them."""

import threading

from behave import given, then, when
from harness import certificates, faulty, providers
from harness.asking import SOON, attach, detach_all
from harness.names import filled
from harness.own import own_gateway


@given("an http provider")
def step_http(context):
    _serve(context, "http", providers.HttpProvider())


@given("an osb provider")
def step_osb(context):
    _serve(context, "osb", providers.OpenBroker())


@given("an http provider with the plans free and big")
def step_http_attached(context):
    step_http(context)
    plans = {"free": {"description": "For a try."}, "big": {}}
    _attach(context, {"type": "http", "service": "documents", "plans": plans})


@given("an osb provider that is attached")
def step_osb_attached(context):
    step_osb(context)
    _attach(context, {"type": "osb"})


@given("an http provider with a certificate of its own")
def step_https(context):
    certificate = certificates.self_signed(context.folder)
    _serve(context, "https", providers.HttpProvider(certificate))
    context.names["ca"] = certificate[0].read_text().replace("\n", "\\n")


def _serve(context, type, provider):
    """Behind a proxy, which can fail."""
    context.provider = provider
    context.add_cleanup(provider.stop)
    url = provider.url
    if type != "https":
        context.provider_proxy = proxy = faulty.Proxy(provider.url)
        context.add_cleanup(proxy.go_away)
        url = proxy.url
    context.names |= {"provider_url": url, "manager": providers.USERNAME, "password": providers.PASSWORD}
    context.add_cleanup(_detach_all, context)


def _attach(context, provider):
    provider |= {
        "name": f"the-{provider['type']}",
        "url": context.names["provider_url"],
        "username": providers.USERNAME,
        "password": providers.PASSWORD,
    }
    attach(context, provider)


def _detach_all(context):
    detach_all(context)
    assert not context.provider.things(), context.provider.things()


@then("the provider has nothing")
def step_nothing(context):
    assert not context.provider.things(), context.provider.things()


@then("the provider has {things}, and nothing else")
def step_things(context, things):
    seen = sorted(context.provider.things())
    wanted = [filled(each, context.names) for each in things.split(", ")]
    assert len(seen) == len(wanted), seen
    assert all(want in got for want, got in zip(sorted(wanted), seen, strict=True)), seen


@then("the provider was asked for {request}")
def step_asked(context, request):
    wanted = filled(request, context.names)
    assert any(wanted in asked for asked in context.provider.asked), context.provider.asked


@given("the provider does what {method:w} {path:S} asks for, and {happens}")
def step_fails(context, method, path, happens):
    happened = context.happened = threading.Event()
    mended = context.mended = threading.Event()
    context.add_cleanup(mended.set)

    def fault(proxy, request, body):
        status, headers, data = proxy.forward(request, body)
        happened.set()
        match happens:
            case "says nothing":
                mended.wait()
                return None
            case "closes the connection":
                return None
            case "answers nonsense":
                return status, headers, b"<html>" + data[:1]
            case "answers without an end":
                return status, headers, b" " * 2 * 1024 * 1024
            case "sends us elsewhere":
                return 302, [("Location", "http://169.254.169.254/")], b""
        return int(happens.removeprefix("answers ")), headers, data

    context.provider_proxy.faults.append(faulty.Fault(method, path, fault, 1))


@given("the provider refuses what {method:w} {path:S} asks for with {status:d}")
def step_refuses(context, method, path, status):
    context.provider_proxy.faults.append(faulty.Fault(method, path, faulty.answered(status), 1))


@then("that has happened")
def step_happened(context):
    assert context.happened.wait(SOON)


@when("the provider answers again")
def step_mended(context):
    context.mended.set()


@given("the provider takes its time")
def step_slow(context):
    context.provider.may_make.clear()


@when("the provider gets done")
def step_done(context):
    context.provider.may_make.set()


@given("a gateway of the scenario's own that waits {seconds:d} s for providers, and checks them each second")
def step_own_gateway(context, seconds):
    own_gateway(context, {"broker": {"timeout": seconds, "check_interval": 1}})


@when("somebody removes by hand what is left there")
def step_by_hand(context):
    context.provider.services.clear()


@when("the provider goes away")
def step_away(context):
    context.provider_proxy.go_away()


@when("the provider comes back")
def step_back(context):
    context.provider_proxy.come_back()


@when("the broker's catalogue has {plans} only")
def step_catalogue(context, plans):
    context.provider.broker.offered = plans.replace(" and ", ", ").split(", ")
