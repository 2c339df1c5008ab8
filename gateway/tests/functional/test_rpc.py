"""The registry over gRPC: a real server and channel, keystonemiddleware, policy, SQLite, real services."""

import pathlib
import tempfile
import threading
import time
import types

import grpc
import pytest
import requests_mock
from google.protobuf import descriptor_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_tools import protoc

from gateway.api import audit_rpc
from gateway.api.service import checked_registration
from gateway.api.tokens import Tokens
from gateway.registry import registry_pb2 as pb
from gateway.registry import rpc
from gateway.tests import registered
from gateway.tests.functional.test_registry_api import KEYSTONE, MEMBER, OTHER, READER, identity  # noqa: F401
from gateway.tests.sessions import opened

_ROOT = pathlib.Path(__file__).parents[3]
_TIMEOUT = 30


def test_the_generated_module_is_what_the_proto_file_says():
    with tempfile.NamedTemporaryFile() as file:
        proto = "gateway/registry/registry.proto"
        assert not protoc.main(
            ["protoc", f"--proto_path={_ROOT}", f"--descriptor_set_out={file.name}", proto]
        )
        (said,) = descriptor_pb2.FileDescriptorSet.FromString(file.read()).file
    generated = descriptor_pb2.FileDescriptorProto.FromString(pb.DESCRIPTOR.serialized_pb)
    for message in said.message_type:
        for field in message.field:
            field.ClearField("json_name")  # generated code has none
    assert generated == said


class Client:
    def __init__(self, address: str, told: list[dict]):
        self.told = told  # audit events
        self.channel = grpc.insecure_channel(address)

    def call(self, method: str, request=None, token: str | None = MEMBER, timeout: float = _TIMEOUT):
        described = pb.DESCRIPTOR.services_by_name["RegistryService"].methods_by_name[method]
        answers = getattr(pb, described.output_type.name)
        called = self.channel.unary_unary(
            f"/proto.RegistryService/{method}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=answers.FromString,
        )
        metadata = [("x-auth-token", token)] if token else []
        return called(request or pb.Empty(), timeout=timeout, metadata=metadata)


@pytest.fixture
def serving(tmp_path, identity):  # noqa: F811
    file = tmp_path / "gateway.conf"
    file.write_text(
        "[keystone_authtoken]\nauth_type = password\n"
        f"auth_url = {KEYSTONE}\nwww_authenticate_uri = {KEYSTONE}\n"
        "username = gateway\npassword = secret\nproject_name = service\n"
        "user_domain_name = Default\nproject_domain_name = Default\n"
    )
    conf = registered.configuration(tmp_path, [file])
    tokens, told = Tokens(conf, opened(conf)), []
    servicer = rpc.RegistryService(registered.registry(conf), rpc.ByToken(tokens), checked_registration)
    audited = audit_rpc.Audited(types.SimpleNamespace(tell=told.append), tokens.caller)
    listener = rpc.Listener(conf, servicer, "127.0.0.1:0", interceptors=[audited])
    stop = threading.Event()
    listener.start()
    thread = threading.Thread(target=listener.serve, args=(stop, 1))
    thread.start()
    yield Client(f"127.0.0.1:{listener.port}", told)
    stop.set()
    thread.join()


@pytest.fixture
def up():
    with registered.service() as made:
        yield made


def wanted(up, **fields) -> pb.Service:
    known = {"proto": "http", "type": "my-auth", "host": "127.0.0.1", "port": up.port, "health": "/up"}
    return pb.Service(**{**known, **fields})


def refused(serving, *call, **kwargs) -> grpc.RpcError:
    with pytest.raises(grpc.RpcError) as caught:
        serving.call(*call, **kwargs)
    return caught.value


def test_who_registers_is_told_and_who_may_not(serving, up):
    serving.call("Register", wanted(up))
    serving.call("Register", wanted(up))
    serving.call("Register", wanted(up, type="other"), token=READER)
    serving.call("ListServicesTypes")
    serving.call("GetHealth", token=None)
    refused(serving, "ListServicesTypes", token=None)
    found = [
        (each["initiator"]["id"], each["action"], each["target"]["id"], each["outcome"], each["reason"])
        for each in serving.told
    ]
    assert [each[1:4] for each in found] == [
        ("create", "my-auth-0", "success"),
        ("create", "my-auth", "failure"),
        ("create", "other", "failure"),
        ("read", "unknown", "failure"),
    ]
    words = ["OK", "EXISTS", "CANCELED", "UNAUTHENTICATED"]
    assert [each[4] for each in found] == [{"reasonType": "gRPC", "reasonCode": word} for word in words]
    assert [each[0] == "unknown" for each in found] == [False, False, False, True]
    assert serving.told[0]["initiator"]["host"]["address"] == "127.0.0.1"
    assert serving.told[0]["requestPath"] == "/proto.RegistryService/Register"
    assert MEMBER not in str(serving.told)


def test_the_life_of_an_instance(serving, up):
    sent = wanted(up, httpPort=up.port, routes=["/login", "/users/{id}"], weight=2)
    answer = serving.call("Register", sent)
    assert (answer.status, answer.message, answer.service_index) == (pb.RegistryResponse.OK, "OK", 0)
    assert up.asked == ["/up"]
    assert (
        serving.call("Register", wanted(up, type="my-auth", signature="")).status
        == pb.RegistryResponse.EXISTS
    )
    types = serving.call("ListServicesTypes", token=READER)
    assert [each.type for each in types.types] == ["my-auth"]
    assert list(serving.call("ListByType", pb.ServiceType(type="my-auth")).services) == [sent]
    assert serving.call("BestInstance", pb.ServiceType(type="my-auth")) == sent
    assert serving.call("GetInfo", pb.ServiceInfo(type="my-auth", index=0)) == sent
    assert serving.call("GetInstanceInfo", pb.InstanceInfo(instanceName="my-auth-0")) == sent
    assert serving.call("GetHealth", token=None) == pb.Health(up=True)


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"proto": "ftp"}, "INVALID"),
        ({"type": "a/b"}, "INVALID"),
        ({"host": "example.org"}, "INVALID"),
        ({"host": "127.0.0.2"}, "INVALID"),
        ({"port": 65536}, "INVALID"),
        ({"port": 0}, "INVALID"),
        ({"routes": ["a"]}, "INVALID"),
        ({"health": "up"}, "INVALID"),
        ({"signature": "a.b.c"}, "INVALID"),
        ({"port": 1}, "NOT_IMPLEMENTED"),
    ],
)
def test_what_is_refused(serving, up, fields, word):
    answer = serving.call("Register", wanted(up, **fields))
    assert pb.RegistryResponse.Status.Name(answer.status) == word
    assert answer.message != "OK"
    assert list(serving.call("ListServicesTypes").types) == []


def test_no_service_and_who_may_not(serving, up):
    assert serving.call("Register", pb.Service()).status == pb.RegistryResponse.NULL
    for token in (None, "wrong", READER):
        assert serving.call("Register", wanted(up), token=token).status == pb.RegistryResponse.CANCELED
    assert up.asked == []
    assert refused(serving, "ListServicesTypes", token="wrong").code() is grpc.StatusCode.UNAUTHENTICATED
    error = refused(serving, "ListServicesTypes", token=None)
    assert error.code() is grpc.StatusCode.UNAUTHENTICATED
    assert dict(error.trailing_metadata())["gateway-code"] == "gateway.auth.token"


def test_another_project_sees_nothing(serving, up):
    serving.call("Register", wanted(up))
    for method, request in (
        ("ListByType", pb.ServiceType(type="my-auth")),
        ("BestInstance", pb.ServiceType(type="my-auth")),
        ("GetInfo", pb.ServiceInfo(type="my-auth", index=0)),
        ("GetInstanceInfo", pb.InstanceInfo(instanceName="my-auth-0")),
        ("GetInstanceInfo", pb.InstanceInfo(instanceName="nonsense")),
    ):
        error = refused(serving, method, request, token=OTHER)
        assert error.code() is grpc.StatusCode.NOT_FOUND
        assert dict(error.trailing_metadata())["gateway-code"].endswith("not_found")


def test_who_does_not_wait_has_nothing_registered(serving, up):
    up.body = b'{"up": true}'
    up.delay = 3
    error = refused(serving, "Register", wanted(up), timeout=1)
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    time.sleep(3)
    assert list(serving.call("ListServicesTypes").types) == []


def test_too_large_a_message(serving, up):
    error = refused(serving, "Register", wanted(up, routes=["/" + "a" * 1000] * 1100))
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_the_standard_health(serving):
    stub = health_pb2_grpc.HealthStub(serving.channel)
    for name in ("", "proto.RegistryService"):
        answer = stub.Check(health_pb2.HealthCheckRequest(service=name), timeout=_TIMEOUT)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_a_known_token_is_not_asked_about_again(serving):
    serving.call("ListServicesTypes")
    with requests_mock.Mocker():  # Keystone answers nothing
        serving.call("ListServicesTypes")
