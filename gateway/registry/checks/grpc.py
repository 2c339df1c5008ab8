"""gRPC's own health service, grpc.health.v1.Health. Loaded where it is first asked for: grpc is large."""

import importlib

from gateway.registry.model import Check


async def ask(tls: bool, host: str, address: str, port: int, check: Check) -> tuple[bool, str]:
    """Over TLS the certificate must be one that the system trusts for ``host``: gRPC has no way to leave that
    out. A new connection each time."""
    grpc = importlib.import_module("grpc")
    health = importlib.import_module("grpc_health.v1.health_pb2")
    stubs = importlib.import_module("grpc_health.v1.health_pb2_grpc")
    place = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    async with _channel(grpc, tls, host, place) as channel:
        try:
            asked = health.HealthCheckRequest(service=check.service)
            answer = await stubs.HealthStub(channel).Check(asked, timeout=check.timeout)
        except grpc.RpcError as error:
            return False, f"{error.code().name}: {' '.join((error.details() or '').split())[:200]}"
    serving = health.HealthCheckResponse.SERVING
    return answer.status == serving, health.HealthCheckResponse.ServingStatus.Name(answer.status)


def _channel(grpc, tls: bool, host: str, place: str):
    options = [
        ("grpc.default_authority", host),
        ("grpc.enable_http_proxy", 0),
        ("grpc.max_receive_message_length", 1024),
        ("grpc.use_local_subchannel_pool", 1),
    ]
    if not tls:
        return grpc.aio.insecure_channel(place, options)
    name = [("grpc.ssl_target_name_override", host)]
    return grpc.aio.secure_channel(place, grpc.ssl_channel_credentials(), options + name)
