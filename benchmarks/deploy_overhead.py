#!/usr/bin/env python3
"""How much time the gateway adds to one deployment, next to the same work done by hand in the same run.

By hand: the same server with the same user data, booted with python-novaclient; the same commands over one
Paramiko connection; every wait looks each 0.25 s. The names are looked up before its clock starts, and it has
neither a quota check nor a registry: what those cost is the gateway's. See README.md.
"""

import argparse
import contextlib
import datetime
import io
import itertools
import os
import pathlib
import signal
import statistics
import sys
import tarfile
import threading
import time
import uuid
from collections.abc import Iterator

from by_hand import PORT, Direct, Laps, Wish, sshd_answers, until

from gateway import client
from gateway.cli import clouds

HELLO = pathlib.Path(__file__).parent.parent / "examples" / "hello" / "app.py"

#: What a deployment's time goes into, in order, and whose time it is: a wait for Nova or for the guest, work
#: that has to be done by anyone, or only the gateway's.
PHASES = {
    "artifact to the gateway": "gateway",
    "request": "gateway",
    "taken by the engine": "gateway",
    "quota": "gateway",
    "security group": "work",
    "create → ACTIVE": "nova",
    "ACTIVE → sshd answers": "guest",
    "sshd answers → logged in": "guest",
    "upload": "work",
    "cloud-init done": "guest",
    "start": "work",
    "started → answers 200": "guest",
    "register": "gateway",
    "between the steps": "gateway",
    "seen by the client": "gateway",
}


# By the gateway


class Deployed:
    def __init__(self, gateway: client.Gateway, wish: Wish):
        self._gateway = gateway
        self._wish = wish

    def run(self) -> dict[str, float]:
        laps = Laps()
        artifact = self._gateway.create_artifact(io.BytesIO(self._wish.artifact))
        laps.lap("artifact to the gateway")
        made = self._gateway.create_deployment(self._body(artifact["id"]))
        laps.lap("request")
        asked = laps.last
        sshd = _Sshd()
        done = until(lambda: self._ended(made["id"], sshd))
        seen = time.monotonic() - asked
        if done["status"] != "succeeded":
            raise RuntimeError(f"the deployment failed: {done['fault']}")
        since_asked = sshd.answered - asked
        return laps.seconds | _phases(done, since_asked, seen)

    def _body(self, artifact_id: str) -> dict:
        wish = self._wish
        server = {"flavor": wish.flavor, "image": wish.image, "network": wish.network, "user": wish.user}
        return {
            "service": wish.name,
            "version": "1",
            "server": server,
            "artifact": artifact_id,
            "command": "python3 app.py",
            "port": PORT,
            "health": {"path": "/health"},
        }

    def _ended(self, deployment_id: str, sshd: "_Sshd") -> dict | None:
        deployment = self._gateway.deployment(deployment_id)
        if address := deployment["instances"][0]["address"]:
            sshd.look(address)
        return deployment if deployment["status"] in ("succeeded", "failed") else None

    def remove(self) -> None:
        for deployment in self._gateway.deployments():
            if deployment["service"] == self._wish.name:
                self._gateway.delete_deployment(deployment["id"])
                until(lambda id=deployment["id"]: self._is_gone(id))

    def _is_gone(self, deployment_id: str) -> bool:
        try:
            self._gateway.deployment(deployment_id)
        except client.ApiError as error:
            return error.status == 404
        return False


class _Sshd:
    """Notes, from beside, when the guest's sshd first answered, as the run by hand sees it."""

    def __init__(self):
        self.answered = float("nan")
        self._thread: threading.Thread | None = None

    def look(self, address: str) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._until_it_answers, args=(address,), daemon=True)
            self._thread.start()

    def _until_it_answers(self, address: str) -> None:
        until(lambda: sshd_answers(address))
        self.answered = time.monotonic()


def _phases(done: dict, sshd_answered: float, seen: float) -> dict[str, float]:
    """From the daemon's own times. ``sshd_answered`` and ``seen``: seconds after the request's answer, which
    is when the deployment was created, as near as two clocks can tell."""
    asked = _at(done["created_at"])
    steps = {step["name"]: (_at(step["started_at"]), _at(step["finished_at"])) for step in done["steps"]}
    took = {name: end - start for name, (start, end) in steps.items()}
    ordered = list(steps.values())
    active, logged_in = steps["active"][1], steps["ssh"][1]
    answered = min(max(asked + sshd_answered, active), logged_in)
    gaps = sum(following[0] - step[1] for step, following in itertools.pairwise(ordered))
    boot_gap = steps["active"][0] - steps["boot"][1]
    return {
        "taken by the engine": ordered[0][0] - asked,
        "quota": took["quota"],
        "security group": took["security_group"],
        "create → ACTIVE": active - steps["boot"][0],
        "ACTIVE → sshd answers": answered - active,
        "sshd answers → logged in": logged_in - answered,
        "upload": took["upload"],
        "cloud-init done": took["install"],
        "start": took["start"],
        "started → answers 200": took["health"],
        "register": took["register"],
        "between the steps": gaps - boot_gap - (steps["ssh"][0] - active),
        "seen by the client": asked + seen - ordered[-1][1],
    }


def _at(text: str) -> float:
    return datetime.datetime.fromisoformat(text).timestamp()


# The comparison


@contextlib.contextmanager
def removed(run: Direct | Deployed) -> Iterator[None]:
    """Whatever ends the run, Ctrl-C too; a second Ctrl-C does not end the removal."""
    try:
        yield
    finally:
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            run.remove()
        finally:
            signal.signal(signal.SIGINT, before)


def compared(
    cloud: clouds.Cloud, gateway: client.Gateway, wish: Wish, count: int
) -> Iterator[tuple[dict[str, float], dict[str, float]]]:
    """(by the gateway, by hand) for each run; who goes first takes turns."""
    for number in range(count):
        runs = [Deployed(gateway, wish), Direct(cloud, wish)]
        found = {}
        for run in runs if number % 2 == 0 else reversed(runs):
            with removed(run):
                found[type(run)] = seconds = run.run()
            who = "gateway" if isinstance(run, Deployed) else "by hand"
            print(f"run {number + 1}: {who} {sum(seconds.values()):.1f} s", file=sys.stderr, flush=True)
        yield found[Deployed], found[Direct]


def table(pairs: list[tuple[dict[str, float], dict[str, float]]]) -> str:
    """The medians of the runs."""
    theirs, ours = ([pair[who] for pair in pairs] for who in (1, 0))
    lines = [f"{'seconds':<26}{'whose':<9}{'gateway':>8}{'by hand':>9}{'more':>8}"]
    alone = 0.0
    for phase, whose in PHASES.items():
        a, b = (statistics.median(run.get(phase, 0.0) for run in runs) for runs in (ours, theirs))
        alone += a if whose == "gateway" else 0.0
        lines.append(f"{phase:<26}{whose:<9}{a:>8.2f}{b:>9.2f}{a - b:>+8.2f}")
    a, b = (statistics.median(sum(run.values()) for run in runs) for runs in (ours, theirs))
    lines.append(f"{'in all':<26}{'':<9}{a:>8.2f}{b:>9.2f}{a - b:>+8.2f}   ratio {a / b:.3f}")
    lines.append(f"added by the gateway (the rows that are its alone): {alone:.2f} s")
    return "\n".join(lines)


def wished(options: argparse.Namespace, gateway: client.Gateway) -> Wish:
    image = gateway.image(options.image)
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w:gz") as tar:
        tar.add(HELLO, HELLO.name)
    return Wish(
        name=f"bench-{uuid.uuid4().hex[:8]}",
        flavor=gateway.flavor(options.flavor)["id"],
        image=image["id"],
        network=gateway.network(options.network)["id"],
        user=options.user or image["login_user"],
        artifact=whole.getvalue(),
    )


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-n", type=int, default=1, help="runs of each (1)")
    for name, default in (("flavor", "m1.tiny"), ("image", "debian-12"), ("network", "shared")):
        parser.add_argument(f"--{name}", default=default, help=f"name or id ({default})")
    parser.add_argument("--user", help="who logs in, where the image does not say it")
    parser.add_argument("--gateway-url", default=os.environ.get("GATEWAY_URL"), help="GATEWAY_URL")
    parser.add_argument("--timeout", type=float, default=60.0, help=argparse.SUPPRESS)
    clouds.add_options(parser)
    return parser.parse_args()


def main() -> int:
    options = parsed()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    pairs = []
    try:
        cloud = clouds.connect(options)
        gateway = client.Gateway(
            cloud.session,
            endpoint=options.gateway_url or cloud.gateway_url,
            region_name=cloud.region_name,
            interface=cloud.interface,
        )
        for pair in compared(cloud, gateway, wished(options, gateway), options.n):
            pairs.append(pair)
    except (clouds.ConfigError, client.ApiError, RuntimeError, TimeoutError) as error:
        print(f"deploy_overhead: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        if pairs:
            print(table(pairs))
    return 0


if __name__ == "__main__":
    sys.exit(main())
