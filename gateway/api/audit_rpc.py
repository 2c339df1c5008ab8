"""``gateway.api.audit`` for gRPC: an event for each Register, and for each call refused for who asks."""

import functools
from collections.abc import Callable

import grpc

from gateway.api import audit, auth
from gateway.registry import registry_pb2 as pb
from gateway.registry.rpc import address, token

_REFUSED = (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED)
_WORDS = pb.RegistryResponse.DESCRIPTOR.fields_by_name["status"].enum_type.values_by_number


def interceptors(
    told: audit.Audit, caller: Callable[[str], auth.Caller | None]
) -> list[grpc.ServerInterceptor]:
    """None where there is no bus. ``caller``: whose a token is, where it was accepted."""
    return [Audited(told, caller)] if told.is_on else []


class Audited(grpc.ServerInterceptor):
    def __init__(self, told: audit.Audit, caller: Callable[[str], auth.Caller | None]):
        self._told = told
        self._caller = caller

    def intercept_service(self, continuation, handler_call_details):
        handler, method = continuation(handler_call_details), handler_call_details.method
        if handler is None or handler.unary_unary is None:  # none of the registry's
            return handler
        return handler._replace(unary_unary=functools.partial(self._call, method, handler.unary_unary))

    def _call(self, method: str, behavior: Callable, request, context: grpc.ServicerContext):
        try:
            answer = behavior(request, context)
        except BaseException:  # as a call is aborted
            if context.code() in _REFUSED:
                self._tell(method, context, context.code().name, audit.UNKNOWN)
            raise
        if isinstance(answer, pb.RegistryResponse):
            word = _WORDS[answer.status].name
            name = f"{request.type}-{answer.service_index}" if word == "OK" else request.type
            self._tell(method, context, word, name or audit.UNKNOWN)
        return answer

    def _tell(self, method: str, context: grpc.ServicerContext, word: str, target: str) -> None:
        made = audit.event(
            "create" if method.endswith("/Register") else audit.READ,
            succeeded=word == "OK",
            reason=("gRPC", word),
            target=(target, "service/gateway/registry/service"),
            initiator=audit.initiator(self._caller(token(context) or ""), address(context)),
            path=method,
        )
        self._told.tell(made)
