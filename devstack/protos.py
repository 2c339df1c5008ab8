#!/usr/bin/env python3
"""Writes gateway/registry/registry_pb2.py from registry.proto (a unit test compares the two)."""

import pathlib
import sys

from grpc_tools import protoc

_ROOT = pathlib.Path(__file__).parent.parent
_PROTO = "gateway/registry/registry.proto"

if __name__ == "__main__":
    sys.exit(protoc.main(["protoc", f"--proto_path={_ROOT}", f"--python_out={_ROOT}", _PROTO]))
