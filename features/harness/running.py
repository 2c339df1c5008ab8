"""The surroundings of commands that a user runs."""

import os
import pathlib
import sys

from harness import clouds

GATEWAY = pathlib.Path(sys.executable).parent / "gateway"
NODE_MODULES = pathlib.Path(__file__).parents[2] / ".state/node/node_modules"  # as devstack/features has it


def environment(context) -> dict[str, str]:
    """A member's, with the daemon of the run, and ``gateway`` on the path."""
    return os.environ | {
        "OS_CLOUD": clouds.USERS["a member"],
        "GATEWAY_URL": context.client.url,
        "PATH": f"{GATEWAY.parent}:{os.environ['PATH']}",
        "COLUMNS": "200",
        "no_proxy": "*",
    }
