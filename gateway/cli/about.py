"""version and health: the gateway itself."""

import json

from gateway.cli.command import Command, CommandError, List, Show, fields
from gateway.client import ApiError


class ListVersions(List):
    """List the versions of the API; no login is needed"""

    def take_action(self, parsed_args):
        return ["ID", "Status"], [[each["id"], each["status"]] for each in self.gateway.versions()]


class ShowVersion(Show):
    """Show version 1 of the API and its resources; no login is needed"""

    def take_action(self, parsed_args):
        found = self.gateway.version()
        names = [each["name"] for each in found["resources"]]
        return fields({**found["version"], "resources": names})


class PrintOpenapi(Command):
    """Print the API's description, OpenAPI as JSON; no login is needed"""

    def take_action(self, parsed_args):
        self.say(json.dumps(self.gateway.openapi(), indent=1))


class ShowHealth(Show):
    """Show whether the gateway and its registry are well; exits with 1 where they are not"""

    def take_action(self, parsed_args):
        health = {"gateway": self.gateway.is_healthy(), "registry": self._registry_is_up()}
        if not all(health.values()):
            ill = " and ".join(name for name, is_well in health.items() if not is_well)
            raise CommandError(f"Not well: {ill}.")
        return fields(dict.fromkeys(health, "well"))

    def _registry_is_up(self) -> bool:
        try:
            return bool(self.gateway.registry_health())
        except ApiError as error:
            if error.is_away and error.status:
                return False
            raise
