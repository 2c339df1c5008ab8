"""/ui/: the page to look at. It calls what everybody calls; see ``gateway.api.session`` for its login."""

from gateway.api import files
from gateway.api.collection import Collection
from gateway.api.expose import expose


class Ui(Collection):
    on_collection = {"GET": "get_page"}
    on_member = {"GET": "get_file"}

    def __init__(self):
        # asked for anew each time: its scripts must be of one version
        self._files = files.Files("ui", "ui", max_age=0)

    @expose(policy=None, gives=["text/html"], answer={"type": "string"})
    def get_page(self):
        return self._files.answer("index.html")

    @expose(policy=None, gives=files.TYPES.values(), answer={"type": "string"})
    def get_file(self, name):
        return self._files.answer(name)
