"""/ui/: the page to look at. It calls what everybody calls; see ``gateway.api.session`` for its login."""

from gateway.api import files


class Ui(files.Page):
    folder, name = "ui", "ui"
    max_age = 0  # asked for anew each time: its scripts must be of one version
