"""A gRPC client as the seed's users have it: made from seed.proto, and from nothing of the gateway's."""

import functools
import json
import pathlib
import tempfile

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
from grpc_tools import protoc

_FOLDER = pathlib.Path(__file__).parent
_TIMEOUT = 60


class Answer:
    """As an HTTP answer to the steps that read JSON. ``code`` and ``trailing`` are of a failed call."""

    def __init__(self, value: dict, code: str = "OK", details: str = "", trailing: dict | None = None):
        self.value, self.code, self.details, self.trailing = value, code, details, trailing or {}

    @property
    def text(self) -> str:
        return json.dumps(self.value) if self.code == "OK" else f"{self.code}: {self.details}"

    def json(self) -> dict:
        return self.value


@functools.cache
def _service():
    with tempfile.NamedTemporaryFile() as file:
        command = ["protoc", f"--proto_path={_FOLDER}", f"--descriptor_set_out={file.name}", "seed.proto"]
        assert protoc.main(command) == 0
        described = descriptor_pb2.FileDescriptorSet.FromString(file.read())
    pool = descriptor_pool.DescriptorPool()
    pool.Add(described.file[0])
    return pool.FindServiceByName("proto.RegistryService")


def call(
    address: str, method: str, request: dict, token: str | None, certificate: bytes | None = None
) -> Answer:
    """``address``: host:port. ``certificate``: the one to trust, for TLS."""
    described = _service().methods_by_name[method]
    asks, answers = (
        message_factory.GetMessageClass(each) for each in (described.input_type, described.output_type)
    )
    if certificate is None:
        channel = grpc.insecure_channel(address)
    else:
        channel = grpc.secure_channel(address, grpc.ssl_channel_credentials(certificate))
    with channel:
        called = channel.unary_unary(
            f"/proto.RegistryService/{method}",
            request_serializer=asks.SerializeToString,
            response_deserializer=answers.FromString,
        )
        metadata = [("x-auth-token", token)] if token else []
        try:
            answer = called(json_format.ParseDict(request, asks()), timeout=_TIMEOUT, metadata=metadata)
        except grpc.RpcError as error:
            return Answer({}, error.code().name, error.details(), dict(error.trailing_metadata() or ()))
    return Answer(
        json_format.MessageToDict(
            answer, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
        )
    )
