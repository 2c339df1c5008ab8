"""Plans of providers of type ``server``, and the deployment that a service of such a plan is."""

import dataclasses
import functools
import secrets
import string

from gateway import errors
from gateway.api import wish
from gateway.api.asked import Asked
from gateway.api.collection import referred
from gateway.api.expose import validate
from gateway.broker.model import Plan, Provider, Service, Status, on_server
from gateway.broker.store import BrokerStore
from gateway.deploy.model import Spec
from gateway.deploy.store import DeploymentStore

#: What stands for the server in a plan's credentials.
_PLACES = ("host", "name", "password", "port")
_OF_DEPLOYMENTS = wish.BODY["properties"]["deployment"]["properties"]
_RECIPE = ("version", "artifact", "files", "packages", "setup", "command", "env", "port", "proto", "health")
_PLAN = {
    "type": "object",
    "properties": {
        **{name: _OF_DEPLOYMENTS[name] for name in _RECIPE},
        "server": {"type": "object", **wish.NEW_SERVERS},
        "description": {"type": "string", "maxLength": 256},
        "credentials": {
            "type": "object",
            "minProperties": 1,
            "maxProperties": 50,
            "propertyNames": wish.ENVIRONMENT["propertyNames"],
            "additionalProperties": {"type": "string", "maxLength": 1024},
        },
    },
    "required": ["server", "command", "port", "credentials"],
    "additionalProperties": False,
}


def plans(wanted: dict[str, dict], project_id: str, store: DeploymentStore) -> dict[str, Plan]:
    """``project_id``: whose artifacts they may name. Raises Invalid."""
    check_members(wanted, _PLAN)
    for name, plan in wanted.items():
        place = f"provider.plans.{name}"
        _check_credentials(place, plan["credentials"])
        if "PASSWORD" in plan.get("env", {}):
            raise _invalid(f"{place}.env", "PASSWORD is the one that the gateway makes for each service")
        if "artifact" in plan:
            referred(f"{place}.artifact", lambda id: store.artifact(id, project_id), plan["artifact"])
    return {name: _plan(**members) for name, members in wanted.items()}


def check_members(plans: dict[str, dict], schema: dict) -> None:
    """Raises Invalid for a plan that is not as the schema says."""
    all_plans = {"properties": {"plans": {"additionalProperties": schema}}}
    validate({"provider": {"plans": plans}}, {"properties": {"provider": all_plans}})


def recipes(provider: Provider) -> dict[str, dict]:
    """The plans, as they were given."""
    ((_, plans),) = provider.offers.items()
    return {name: {"description": plan.description, **plan.settings} for name, plan in plans.items()}


def _plan(description: str = "", **settings) -> Plan:
    return Plan(description, settings=settings, is_updateable=False)


def _check_credentials(place: str, credentials: dict[str, str]) -> None:
    for name, text in credentials.items():
        try:
            fields = [
                (field, spec, how)
                for _, field, spec, how in string.Formatter().parse(text)
                if field is not None
            ]
        except ValueError as error:
            raise _invalid(f"{place}.credentials.{name}", str(error)) from error
        if wrong := [field for field, spec, how in fields if field not in _PLACES or spec or how]:
            told = ", ".join(f"{{{each}}}" for each in _PLACES)
            raise _invalid(f"{place}.credentials.{name}", f"{{{wrong[0]}}} is not known; there are {told}")


def _invalid(field: str, why: str) -> errors.Invalid:
    return errors.Invalid("gateway.request.invalid", f"{field}: {why}.", field=field)


def check_no_service(broker: BrokerStore, project_id: str, name: str) -> None:
    """Raises Conflict where what the project deploys under that name is a service of the broker's."""
    service = broker.by_id(name.removeprefix(on_server("")))
    if service is None or name != on_server(service.id) or service.project_id != project_id:
        return
    if service.status is not Status.FAILED:
        raise errors.Conflict(
            "gateway.deployment.of_service",
            f"{name} is the service {service.name}: it goes with that, and is not changed.",
        )


class Adding:
    """Has services made, as they are stored; one on a server of its own with its deployment."""

    def __init__(self, parts):
        self._conf = parts.conf
        self._sessions = parts.sessions
        self._store: BrokerStore = parts.broker
        self._deployments: DeploymentStore = parts.deployments
        self._asked = Asked(parts.sessions, parts.deployments)

    def add(self, context, service: Service) -> None:
        """Raises what ``BrokerStore.add`` raises; for one on a server QuotaExceeded, Forbidden where the
        token can give no trust, ProviderError where the plan does not go in this project."""
        provider, most = self._store.provider(service.provider), self._conf.broker.max_services
        if provider.type != "server":
            self._store.add(service, most)
            return
        spec, secret = self._resolved(context, service, provider)
        deployment = self._asked.first(context, spec)
        insert = functools.partial(self._deployments.insert, deployment=deployment, secrets=secret)
        with self._asked.kept_only_if_stored(deployment.trust_id):
            self._store.add(dataclasses.replace(service, operation=deployment.id), most, insert)

    def _resolved(self, context, service: Service, provider: Provider) -> tuple[Spec, dict]:
        settings = dict(provider.offers[service.type][service.plan].settings)
        del settings["credentials"]
        wanted = {"version": "1", **settings, "service": on_server(service.id)}
        if "artifact" in wanted:
            artifact = self._deployments.artifact(wanted["artifact"], provider.project_id)
            wanted["artifact"] = self._deployments.lend_artifact(artifact, context.project_id).id
        wanted["secrets"] = {"PASSWORD": secrets.token_urlsafe(24)}
        cloud = self._sessions.user(context.auth)
        try:
            return wish.resolve(wanted, context, cloud, self._deployments, None)
        except errors.Invalid as error:
            raise errors.ProviderError(
                "gateway.provider.plan",
                f"The plan {service.plan} of {provider.name} does not go in this project: {error.message}",
            ) from error
