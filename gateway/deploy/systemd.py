"""What systemd reads, and what it says of a service, as values. Pure."""

from gateway.deploy.model import Spec

#: What ``exited`` is told, by ``systemctl show``.
PROPERTIES = "ActiveState,SubState,NRestarts,Result,ExecMainCode,ExecMainStatus"


def environment(variables: dict[str, str]) -> str:
    """Lines that systemd's EnvironmentFile and a POSIX shell read alike (systemd.exec(5), sh(1))."""
    escaped = str.maketrans({character: "\\" + character for character in '\\"$`'})
    return "".join(f'{name}="{value.translate(escaped)}"\n' for name, value in variables.items())


def unit(spec: Spec, user: str, release: str, conf: str) -> str:
    """As systemd.exec(5) has it: the service may use the network and write to its own folder, /tmp and /var;
    the rest of the system it only reads. It may listen below port 1024, and has no other capability."""
    low_port = "CAP_NET_BIND_SERVICE" if spec.port < 1024 else ""
    return f"""\
# Made by gateway; changes are lost with the next deployment.
[Unit]
Description={spec.service} {spec.version}
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
User={user}
WorkingDirectory={release}
EnvironmentFile={conf}/env
ExecStart=/bin/sh {conf}/start.sh
Restart=always
RestartSec=2
TimeoutStopSec=30
CapabilityBoundingSet={low_port}
AmbientCapabilities={low_port}
NoNewPrivileges=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectSystem=full
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native

[Install]
WantedBy=multi-user.target
"""


def exited(output: str) -> str | None:
    """Why the service does not run, by what was printed of PROPERTIES; None while it runs or starts.
    ``Restart=always`` hides a command that ends at once, so one restart counts as an end."""
    seen = dict(line.split("=", 1) for line in output.splitlines() if "=" in line)
    if seen.get("NRestarts", "0") == "0" and seen.get("ActiveState") in ("active", "activating", "reloading"):
        return None if seen.get("SubState") != "auto-restart" else _ended(seen)
    return _ended(seen)


def _ended(seen: dict[str, str]) -> str:
    status = seen.get("ExecMainStatus", "0")
    if seen.get("ExecMainCode") in ("2", "3"):  # CLD_KILLED, CLD_DUMPED: waitid(2)
        return f"the command was ended by signal {status}"
    if seen.get("SubState") in ("auto-restart", "failed", "dead"):
        return f"the command exited with status {status}"
    return "the command ended and was started again"
