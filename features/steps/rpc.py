"""Calls over gRPC, by a client made from the seed's own text."""

import json

import grpc
from behave import given, then, when
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from harness import certificates, clouds, seed_client
from harness.names import filled
from harness.own import own_gateway


def _address(context) -> str:
    return f"127.0.0.1:{context.gateway.rpc_port}"


@when("{who:Who} asks gRPC for {method:w}")
def step_ask(context, who, method):
    token = None if who == "nobody" else clouds.as_user(who).auth_token
    request = json.loads(filled(context.text or "{}", context.names))
    certificate = getattr(context, "certificate", None)
    context.answer = seed_client.call(_address(context), method, request, token, certificate)


@when("somebody asks gRPC for {method:w} with the token {token}")
def step_ask_with_token(context, method, token):
    context.answer = seed_client.call(_address(context), method, {}, token)


@then("gRPC answers")
def step_answers(context):
    assert context.answer.code == "OK", context.answer.text


@then("gRPC fails with {code:w}, {ours:S}")
def step_fails(context, code, ours):
    answer = context.answer
    assert (answer.code, answer.trailing.get("gateway-code")) == (code, ours), answer.text


@then("the standard health service says that {name:S} is serving")
def step_standard_health(context, name):
    with grpc.insecure_channel(_address(context)) as channel:
        request = health_pb2.HealthCheckRequest(service=name)
        answer = health_pb2_grpc.HealthStub(channel).Check(request, timeout=60)
    assert answer.status == health_pb2.HealthCheckResponse.SERVING, answer


@then("its reflection knows {name:S}")
def step_reflection(context, name):
    with grpc.insecure_channel(_address(context)) as channel:
        database = ProtoReflectionDescriptorDatabase(channel)
        assert name in database.get_services(), database.get_services()
        assert database.FindFileContainingSymbol(name).package == "proto"


@given("a gateway of the scenario's own whose gRPC has TLS")
def step_rpc_with_tls(context):
    cert_file, key_file = certificates.self_signed(context.folder)
    own_gateway(context, {"rpc": {"cert_file": cert_file, "key_file": key_file}})
    context.certificate = cert_file.read_bytes()


@when("the client trusts no certificate")
def step_no_trust(context):
    context.certificate = None


@then("gRPC is not reached")
def step_not_reached(context):
    assert context.answer.code == "UNAVAILABLE", context.answer.text
