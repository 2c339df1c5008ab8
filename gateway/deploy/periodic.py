"""What the engine's process does again and again."""

import threading
from collections.abc import Callable

from oslo_log import log

from gateway import errors

LOG = log.getLogger(__name__)


def every(seconds: float, stop: threading.Event, what: str, act: Callable[[], object]) -> None:
    """Calls ``act`` until ``stop`` is set, first when ``seconds`` are over; never where they are 0. When it
    raises, the log says that ``what`` failed, and it is called again."""
    while seconds and not stop.wait(seconds):
        try:
            act()
        except errors.GatewayError as error:
            LOG.warning("%s failed; trying again: %s", what, error.message)
        except Exception:
            LOG.exception("%s failed; trying again", what)
