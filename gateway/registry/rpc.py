"""The registry over gRPC: ``proto.RegistryService`` of registry.proto, standard health and reflection.

Callers bring a Keystone token as the metadata ``x-auth-token``, and see its project. ``Register`` always
answers OK, with a word for what came of it: OK, INVALID, NULL (nothing was sent), EXISTS, NOT_IMPLEMENTED
(its health check does not pass), CANCELED (not allowed, or not now), FAIL. The others end with a status:
INVALID_ARGUMENT, UNAUTHENTICATED, PERMISSION_DENIED, NOT_FOUND, UNAVAILABLE (no instance passes, or Keystone
does not answer), INTERNAL; its trailing metadata has ``gateway-code``, the permanent code of the HTTP API,
and for some ``retry-after``, seconds. Health and reflection need no token.
"""

import concurrent.futures
import functools
import logging
import pathlib
import threading
import urllib.parse
from collections.abc import Callable, Sequence
from typing import Protocol

import grpc
from google.protobuf import message_factory
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from oslo_config import cfg

from gateway import errors, metrics
from gateway.registry import registry_pb2 as pb
from gateway.registry.model import Instance, Registration, split_name
from gateway.registry.registry import Owner, Registry

LOG = logging.getLogger(__name__)

#: A registration from its fields as JSON has them. Raises Invalid.
Checked = Callable[[dict], Registration]


class Access(Protocol):
    """Who calls. Both raise Unauthorized, Forbidden and Unavailable."""

    def project(self, context: grpc.ServicerContext, rule: str) -> str:
        """Whose registry the call is about, if the caller satisfies the policy's rule."""

    def owner(self, context: grpc.ServicerContext) -> Owner:
        """Which of the caller's servers has an address."""


_SERVICE = pb.DESCRIPTOR.services_by_name["RegistryService"]

_CODES: dict[type[errors.GatewayError], grpc.StatusCode] = {
    errors.Invalid: grpc.StatusCode.INVALID_ARGUMENT,
    errors.Unauthorized: grpc.StatusCode.UNAUTHENTICATED,
    errors.Forbidden: grpc.StatusCode.PERMISSION_DENIED,
    errors.NotFound: grpc.StatusCode.NOT_FOUND,
    errors.Unavailable: grpc.StatusCode.UNAVAILABLE,
}
_WORDS: dict[type[errors.GatewayError], str] = {
    errors.Invalid: "INVALID",
    errors.Unauthorized: "CANCELED",
    errors.Forbidden: "CANCELED",
    errors.Unavailable: "CANCELED",
    errors.Timeout: "CANCELED",
    errors.Conflict: "EXISTS",
    errors.Unhealthy: "NOT_IMPLEMENTED",
}
_UNEXPECTED = "The gateway failed; its log has more."


def _ending(method: Callable) -> Callable:
    """An error becomes the call's status."""

    @functools.wraps(method)
    def call(self, request, context):
        try:
            answer = method(self, request, context)
            metrics.RPC_CALLS.inc(method.__name__, "OK")
            return answer
        except errors.GatewayError as error:
            code = _CODES.get(type(error), grpc.StatusCode.INTERNAL)
            metrics.RPC_CALLS.inc(method.__name__, code.name)
            trailing = [("gateway-code", error.code)]
            if error.retry_after is not None:
                trailing.append(("retry-after", str(error.retry_after)))
            context.set_trailing_metadata(trailing)
            context.abort(code, error.message)
        except Exception:
            LOG.exception("Unexpected error in %s", method.__name__)
            metrics.RPC_CALLS.inc(method.__name__, grpc.StatusCode.INTERNAL.name)
            context.abort(grpc.StatusCode.INTERNAL, _UNEXPECTED)

    return call


class RegistryService:
    """The methods of the service, by their names in registry.proto."""

    def __init__(self, registry: Registry, access: Access, checked: Checked):
        self._registry = registry
        self._access = access
        self._checked = checked

    @_ending
    def GetHealth(self, request, context):
        return pb.Health(up=self._registry.is_up())

    def Register(self, request, context):
        word, text, index = self._register(request, context)
        metrics.RPC_CALLS.inc("Register", word)
        LOG.info("Register of %s at %s port %d: %s", request.type, request.host, request.port, word)
        return pb.RegistryResponse(status=word, message=text, service_index=index)

    def _register(self, request, context) -> tuple[str, str, int]:
        try:
            project_id = self._access.project(context, "gateway:registry:register")
            fields = {field.name: _plain(value) for field, value in request.ListFields()}
            if not fields:
                return "NULL", "No service was received.", 0
            owner, patience = self._access.owner(context), context.time_remaining()
            wanted = self._checked(fields)
            instance = self._registry.register(project_id, wanted, owner=owner, patience=patience)
            return "OK", "OK", instance.ordinal
        except errors.GatewayError as error:
            return _WORDS.get(type(error), "FAIL"), error.message, 0
        except Exception:
            LOG.exception("Unexpected error in Register")
            return "FAIL", _UNEXPECTED, 0

    @_ending
    def ListServicesTypes(self, request, context):
        types = self._registry.types(self._reader(context))
        return pb.ServiceTypesList(types=[pb.ServiceType(type=type_) for type_ in types])

    @_ending
    def ListByType(self, request, context):
        instances = self._registry.instances(self._reader(context), request.type)
        return pb.ServiceList(services=[service(instance) for instance in instances])

    @_ending
    def BestInstance(self, request, context):
        return service(self._registry.best(self._reader(context), request.type))

    @_ending
    def GetInfo(self, request, context):
        return service(self._registry.instance(self._reader(context), request.type, request.index))

    @_ending
    def GetInstanceInfo(self, request, context):
        project_id = self._reader(context)
        try:
            type_, ordinal = split_name(request.instanceName)
        except ValueError as error:
            raise errors.NotFound(
                "gateway.registry.instance_not_found", f"There is no instance: {error}."
            ) from error
        return service(self._registry.instance(project_id, type_, ordinal))

    def _reader(self, context: grpc.ServicerContext) -> str:
        return self._access.project(context, "gateway:registry:get")


class Tokens(Protocol):
    """What is known of Keystone's tokens; raises what ``Access`` does."""

    def project(self, token: str, rule: str) -> str: ...

    def owner(self, token: str) -> Owner: ...


class ByToken:
    """Access for those who send a Keystone token."""

    def __init__(self, tokens: Tokens):
        self._tokens = tokens

    def project(self, context: grpc.ServicerContext, rule: str) -> str:
        return self._tokens.project(self._token(context), rule)

    def owner(self, context: grpc.ServicerContext) -> Owner:
        return self._tokens.owner(self._token(context))

    def _token(self, context: grpc.ServicerContext) -> str:
        sent = token(context)
        if sent is None:
            raise errors.Unauthorized(
                "gateway.auth.token",
                "A valid Keystone token is needed: send it as the metadata x-auth-token.",
            )
        return sent


def token(context: grpc.ServicerContext) -> str | None:
    """What the caller sent as one."""
    metadata = context.invocation_metadata()
    return next((value for name, value in metadata if name == "x-auth-token"), None)


def address(context: grpc.ServicerContext) -> str:
    """The caller's: of ``ipv4:127.0.0.1:4711`` or ``ipv6:%5B::1%5D:4711``."""
    _, _, place = urllib.parse.unquote(context.peer()).partition(":")
    return place.rpartition(":")[0].strip("[]")


def _plain(value):
    return value if isinstance(value, str | int) else list(value)


def service(instance: Instance) -> pb.Service:
    return pb.Service(
        proto=instance.proto,
        type=instance.type,
        host=instance.host,
        port=instance.port,
        httpPort=instance.http_port,
        httpsPort=instance.https_port,
        routes=instance.routes,
        health=instance.check.path,
        weight=instance.weight,
        signature=instance.signature,
    )


def _handler(servicer: RegistryService) -> grpc.GenericRpcHandler:
    methods = {
        method.name: grpc.unary_unary_rpc_method_handler(
            getattr(servicer, method.name),
            request_deserializer=message_factory.GetMessageClass(method.input_type).FromString,
            response_serializer=message_factory.GetMessageClass(method.output_type).SerializeToString,
        )
        for method in _SERVICE.methods
    }
    return grpc.method_handlers_generic_handler(_SERVICE.full_name, methods)


class Listener:
    """One gRPC server. ``address``: 127.0.0.1:8791. Raises OSError when it cannot listen there."""

    def __init__(
        self,
        conf: cfg.ConfigOpts,
        servicer: RegistryService,
        address: str,
        credentials: grpc.ServerCredentials | None = None,
        interceptors: Sequence[grpc.ServerInterceptor] = (),
    ):
        self._health = health.HealthServicer()
        self._server = grpc.server(
            concurrent.futures.ThreadPoolExecutor(conf.rpc.threads, "rpc"),
            interceptors=interceptors,
            options=[
                ("grpc.max_receive_message_length", conf.rpc.max_message),
                ("grpc.max_send_message_length", conf.rpc.max_answer),
                ("grpc.max_concurrent_streams", conf.rpc.max_calls),
            ],
            maximum_concurrent_rpcs=conf.rpc.max_calls,
        )
        self._server.add_generic_rpc_handlers((_handler(servicer),))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        names = (_SERVICE.full_name, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, self._server)
        for name in ("", *names):
            self._health.set(name, health_pb2.HealthCheckResponse.SERVING)
        self._listen(address, credentials)

    def _listen(self, address: str, credentials: grpc.ServerCredentials | None) -> None:
        try:
            if credentials is None:
                self.port = self._server.add_insecure_port(address)
            else:
                self.port = self._server.add_secure_port(address, credentials)
        except RuntimeError as error:
            raise OSError(f"cannot listen on {address}") from error

    def start(self) -> None:
        """Returns once it answers."""
        self._server.start()

    def serve(self, stop: threading.Event, grace: float) -> None:
        """Until ``stop`` is set; calls under way then get ``grace`` seconds to end. It is started."""
        stop.wait()
        self._health.enter_graceful_shutdown()
        self._server.stop(grace).wait()


def credentials(
    cert_file: str | None, key_file: str | None, client_ca_file: str | None = None
) -> grpc.ServerCredentials | None:
    """TLS with the certificate of the files, None without. With ``client_ca_file`` clients need one too.
    Raises OSError for files that cannot be read."""
    if not cert_file:
        return None
    key, cert = (pathlib.Path(name).read_bytes() for name in (key_file or cert_file, cert_file))
    authority = pathlib.Path(client_ca_file).read_bytes() if client_ca_file else None
    return grpc.ssl_server_credentials([(key, cert)], authority, require_client_auth=authority is not None)
