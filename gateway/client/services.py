"""Providers, services on them, and their bindings."""

from gateway.client.http import Http, url_path


class Services(Http):
    """The part of ``Gateway`` that has them."""

    def providers(self) -> list[dict]:
        return list(self._pages("/v1/providers", "providers"))

    def provider(self, name: str) -> dict:
        return self._json("GET", url_path("/v1/providers", name))["provider"]

    def create_provider(self, provider: dict) -> dict:
        return self._json("POST", "/v1/providers", json={"provider": provider})["provider"]

    def replace_provider(self, name: str, provider: dict) -> dict:
        """As a whole, but for the password, which stays where ``provider`` has none."""
        return self._json("PUT", url_path("/v1/providers", name), json={"provider": provider})["provider"]

    def delete_provider(self, name: str, force: bool = False) -> bool:
        """``force``: with its services. False while those are being deleted first."""
        query = {"force": "true"} if force else {}
        return self._call("DELETE", url_path("/v1/providers", name), params=query).status_code == 204

    def forget_provider(self, name: str) -> list[str]:
        """One that never comes back, with its services; what these were called there, where they may be
        left."""
        path = url_path("/v1/providers", name)
        return self._json("DELETE", path, params={"forget": "true"})["left"]

    def services(self, user: str | None = None, provider: str | None = None) -> list[dict]:
        """The project's, without credentials."""
        asked = {"user": user, "provider": provider}
        query = {name: value for name, value in asked.items() if value is not None}
        return list(self._pages("/v1/services", "services", **query))

    def service(self, name: str) -> dict:
        """With its "credentials": {"MYSQL_URL": …}; None while there are none."""
        return self._json("GET", url_path("/v1/services", name), log=False)["service"]

    def create_service(self, service: dict) -> dict:
        """{"type", "plan", and "name" and "provider" if wanted}; it is "creating" where that takes long."""
        return self._json("POST", "/v1/services", json={"service": service})["service"]

    def update_service(self, name: str, plan: str) -> dict:
        body = {"service": {"plan": plan}}
        return self._json("PUT", url_path("/v1/services", name), json=body)["service"]

    def delete_service(self, name: str) -> bool:
        """False while it is being deleted."""
        return self._call("DELETE", url_path("/v1/services", name)).status_code == 204

    def rotate_service(self, name: str) -> dict:
        """New credentials in place of those that it has, and deployments that bind it get them; "rotation" of
        ``service`` says how far that is."""
        return self._json("POST", url_path("/v1/services", name, "rotate"), json={})["service"]

    def bindings(self, service: str) -> list[dict]:
        """Without credentials, in the order in which they were made."""
        return list(self._pages(url_path("/v1/services", service, "bindings"), "bindings"))

    def binding(self, service: str, binding_id: str) -> dict:
        return self._json("GET", url_path("/v1/services", service, "bindings", binding_id), log=False)[
            "binding"
        ]

    def create_binding(self, service: str) -> dict:
        """One more login, with its "credentials"."""
        return self._json("POST", url_path("/v1/services", service, "bindings"), json={})["binding"]

    def delete_binding(self, service: str, binding_id: str) -> bool:
        """False while it is being deleted."""
        path = url_path("/v1/services", service, "bindings", binding_id)
        return self._call("DELETE", path).status_code == 204
