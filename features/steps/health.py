"""How instances are checked, and what is read of them."""

import concurrent.futures
import json

import grpc
from behave import given, when
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from harness.asking import call
from harness.names import filled


@given("a gRPC service {name:w} whose health is {state:w}")
def step_grpc_service(context, name, state):
    context.health = health.HealthServicer()
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(4))
    health_pb2_grpc.add_HealthServicer_to_server(context.health, server)
    context.names[f"{name}_port"] = server.add_insecure_port(f"{context.names['here']}:0")
    server.start()
    context.add_cleanup(server.stop, None)
    _become(context, name, state)


@when("the health of {name:w} becomes {state:w}")
def step_grpc_state(context, name, state):
    _become(context, name, state)


def _become(context, name, state):
    context.health.set(name, health_pb2.HealthCheckResponse.ServingStatus.Value(state))


@when("{who:Who} registers {name:w} with the check {check:Json}")
def step_register_checked(context, who, name, check):
    service = {
        "proto": "http",
        "type": name,
        "host": context.names["here"],
        "port": context.names[f"{name}_port"],
        "check": json.loads(filled(check, context.names)),
    }
    call(context, who, "POST", "/registry/service", json=service)
