"""A gatewayd that is told when to kill itself, with all its processes (see harness/crashing_gatewayd.py)."""

import json
import pathlib
import time

from harness.gatewayd import Gatewayd

_LAUNCHER = pathlib.Path(__file__).with_name("crashing_gatewayd.py")
_DIES_IN = 300  # seconds, an emulated guest's boot among them


class Crash:
    def __init__(self, folder: pathlib.Path):
        self._at = folder / "crash.json"

    def gatewayd(self, folder: pathlib.Path, options: dict[str, dict] | None = None) -> Gatewayd:
        return Gatewayd(folder, options, {"GATEWAY_CRASH_AT": str(self._at)}, _LAUNCHER)

    def at(self, step: str, target: int | None, moment: str) -> None:
        """The next time that it comes there."""
        whole = self._at.with_suffix(".part")
        whole.write_text(json.dumps({"step": step, "target": target, "moment": moment}))
        whole.rename(self._at)

    @property
    def is_due(self) -> bool:
        """It has not come there yet."""
        return self._at.exists()

    def forget(self) -> None:
        self._at.unlink(missing_ok=True)

    def has_died(self, daemon: Gatewayd, is_over=lambda: False) -> bool:
        """Waits for it; False where ``is_over`` comes first: it has never come there."""
        deadline = time.monotonic() + _DIES_IN
        while daemon.running:
            if is_over() and self.is_due:
                return False
            assert time.monotonic() < deadline, f"it does not die:\n{daemon.tail()}"
            time.sleep(0.2)
        assert not self.is_due, f"it has ended in another way:\n{daemon.tail()}"
        return True
