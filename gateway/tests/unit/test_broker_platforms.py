"""The platforms' ids become ours, the same each time, and never each other's."""

import re

from gateway.broker import platforms


def test_ids_fit_and_stay():
    id = platforms.service_id("project", "0a1b-instance")
    assert re.fullmatch("[0-9a-f]{16}", id)
    assert id == platforms.service_id("project", "0a1b-instance") == "8093346e73748c7c"
    assert re.fullmatch("[0-9a-f]{8}", platforms.binding_id(id, "b"))


def test_neither_projects_nor_borders_are_mixed_up():
    made = {
        platforms.service_id("p", "i"),
        platforms.service_id("pi", ""),
        platforms.service_id("", "pi"),
        platforms.service_id("i", "p"),
        platforms.service_id("p", "ï"),
    }
    assert len(made) == 5
