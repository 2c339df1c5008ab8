"""Servers, and what they are made of."""

from gateway.client.http import Http, url_path


class Servers(Http):
    """The part of ``Gateway`` that has them."""

    def flavors(self) -> list[dict]:
        return list(self._pages("/v1/flavors", "flavors"))

    def flavor(self, name_or_id: str) -> dict:
        return self._json("GET", url_path("/v1/flavors", name_or_id))["flavor"]

    def images(self) -> list[dict]:
        return list(self._pages("/v1/images", "images"))

    def image(self, name_or_id: str) -> dict:
        return self._json("GET", url_path("/v1/images", name_or_id))["image"]

    def networks(self) -> list[dict]:
        return list(self._pages("/v1/networks", "networks"))

    def network(self, name_or_id: str) -> dict:
        return self._json("GET", url_path("/v1/networks", name_or_id))["network"]

    def launch_options(self) -> dict:
        """{"flavors": […], "images": […], "networks": […]}"""
        return self._json("GET", "/v1/launch-options")

    def servers(self) -> list[dict]:
        return list(self._pages("/v1/servers", "servers"))

    def server(self, name_or_id: str) -> dict:
        return self._json("GET", url_path("/v1/servers", name_or_id))["server"]

    def create_servers(self, server: dict) -> list[dict]:
        """Boots ``server["count"]`` (1) of them; returns those that are being built."""
        answer = self._json("POST", "/v1/servers", json={"server": server})
        return answer["servers"] if "servers" in answer else [answer["server"]]

    def delete_server(self, name_or_id: str) -> None:
        self._call("DELETE", url_path("/v1/servers", name_or_id))
