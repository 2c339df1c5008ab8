"""The registry's changes as OpenStack's notifications: instance.created, .changed and .removed on its message
bus, for operators, where the configuration has a section [oslo_messaging_notifications].

Each is told in its order, from where the last was told, as far as the log reaches back; once, but where the
process ended just after it: then a few are told again, which their ``index`` shows.
"""

import logging
import socket
import threading
import time

from oslo_config import cfg

from gateway import metrics
from gateway.registry.changes import Feed
from gateway.registry.subscriptions import SubscriptionStore
from gateway.registry.webhooks import View

LOG = logging.getLogger(__name__)

_SECTION = "oslo_messaging_notifications"
_LOOK_EVERY = 0.25  # seconds
_RETRY_AFTER = 5.0  # seconds


def is_on(conf: cfg.ConfigOpts) -> bool:
    """Whether anything is configured."""
    return _SECTION in conf.list_all_sections()


def begin(conf: cfg.ConfigOpts, store: SubscriptionStore, last: int) -> None:
    """Before anything is served: a gateway that never told anything tells what changes from ``last`` on."""
    if is_on(conf) and store.notified() is None:
        store.set_notified(last)


def notifier(conf: cfg.ConfigOpts):
    """Oslo.messaging's, for one thread."""
    import oslo_messaging  # large, and needed by few

    transport = oslo_messaging.get_notification_transport(conf)
    return oslo_messaging.Notifier(transport, publisher_id=f"gateway.{socket.gethostname()}")


class Notifications:
    """``run`` blocks its thread."""

    def __init__(self, conf: cfg.ConfigOpts, store: SubscriptionStore, feed: Feed, view: View):
        self._conf = conf
        self._store = store
        self._feed = feed
        self._view = view

    def run(self, stop: threading.Event) -> None:
        """Until ``stop`` is set; returns at once where nothing is configured."""
        if not is_on(self._conf):
            return
        bus = notifier(self._conf)
        pause = _LOOK_EVERY
        while not stop.wait(pause):
            try:
                self._tell(bus, stop)
                pause = _LOOK_EVERY
            except Exception:
                LOG.exception("The notifications go on after an error")
                pause = _RETRY_AFTER

    def _tell(self, bus, stop: threading.Event) -> None:
        """What came since the last time."""
        last = self._feed.refresh()
        index = self._store.notified()
        if index > last:  # of another database, whose log began anew
            self._store.set_notified(last)
            return
        told = index
        try:
            for entry, instance in self._feed.everybodys(index):
                if stop.is_set():
                    break
                payload = {"project_id": entry.key.project_id, **self._view(entry, instance)}
                bus.info({"project_id": entry.key.project_id}, f"instance.{entry.change}", payload)
                metrics.CHANGE_LAG.observe(max(0.0, time.time() - entry.at), "notifications")
                told = entry.index
        finally:
            if told > index:
                self._store.set_notified(told)
