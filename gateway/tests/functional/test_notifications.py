"""Notifications by oslo.messaging's own driver for tests; features/notifications.feature has a real bus."""

import pathlib
import subprocess
import sys
import threading
import time

import oslo_messaging.notify._impl_test as sent

from gateway import vault
from gateway.api import changes
from gateway.db import Database
from gateway.registry import notifications
from gateway.registry.model import Registration
from gateway.registry.subscriptions import SubscriptionStore
from gateway.tests import registered

PATIENCE = 30  # seconds


def run(conf, act):
    """Lets ``act`` change something while the notifications run."""
    stop, registry = threading.Event(), registered.registry(conf)
    store = SubscriptionStore(Database(conf), vault.opened(conf))
    notifications.begin(conf, store, registry.feed.refresh())
    thread = threading.Thread(
        target=notifications.Notifications(conf, store, registry.feed, changes.view).run, args=(stop,)
    )
    thread.start()
    try:
        act()
    finally:
        stop.set()
        thread.join(PATIENCE)


def test_each_change_of_each_project_is_told(tmp_path):
    file = tmp_path / "gateway.conf"
    file.write_text("[DEFAULT]\ntransport_url = fake://\n[oslo_messaging_notifications]\ndriver = test\n")
    conf = registered.configuration(tmp_path, [file])
    other = registered.registry(conf)
    sent.reset()

    def act():
        for project in ("p1", "p2"):
            other.register(project, Registration("mail", "http", "10.0.0.1", 80), verify=False)
        other.deregister("p2", "mail", 0)
        deadline = time.monotonic() + PATIENCE
        while len(sent.NOTIFICATIONS) < 3:
            time.sleep(0.1)
            assert time.monotonic() < deadline

    run(conf, act)
    messages = [each[1] for each in sent.NOTIFICATIONS]
    indexes = [each["payload"]["index"] for each in messages]
    assert indexes == list(range(indexes[0], indexes[0] + 3))
    told = [(each["event_type"], each["payload"]["project_id"]) for each in messages]
    assert told == [("instance.created", "p1"), ("instance.created", "p2"), ("instance.removed", "p2")]
    assert messages[-1]["payload"]["instance"] == "mail-0"
    assert messages[-1]["publisher_id"].startswith("gateway.")


def test_without_its_section_nothing_is_told_and_nothing_imported(tmp_path):
    script = (
        "import pathlib, sys, threading\n"
        "from gateway.registry.notifications import Notifications\n"
        "from gateway.tests import registered\n"
        "conf = registered.configuration(pathlib.Path(sys.argv[1]))\n"
        "Notifications(conf, None, None, None).run(threading.Event())\n"
        "assert 'oslo_messaging' not in sys.modules\n"
    )
    folder = pathlib.Path(__file__).parents[3]
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True, cwd=folder, timeout=120)
