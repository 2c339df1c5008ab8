"""The URL tree.

=======  ===============================================  ===========================================
Method   URL                                              Answer
=======  ===============================================  ===========================================
GET      /                                                versions, no token
GET      /v1                                              version 1 and its resources, no token
GET      /v1/openapi.json                                 all of this as OpenAPI, no token
GET      /v1/docs                                         the same for people, no token
GET      /v1/docs/{file}                                  what that page is made of, no token
GET      /ui                                              a page to look at all of it, no token
GET      /ui/{file}                                       what that page is made of, no token
GET      /v1/session                                      who is logged in there
POST     /v1/session                                      log in by a password, no token
DELETE   /v1/session                                      log out
GET      /healthcheck                                     200 OK, no token; ?detailed says more
GET      /v1/flavors                                      flavors
GET      /v1/flavors/{flavor}                             one, by id or name
GET      /v1/images                                       images
GET      /v1/images/{image}                               one, by id or name
GET      /v1/networks                                     networks
GET      /v1/networks/{network}                           one, by id or name
GET      /v1/launch-options                               flavors, images and networks at once
GET      /v1/servers                                      the project's servers
POST     /v1/servers                                      boot servers
GET      /v1/servers/{server}                             one, by id or name
DELETE   /v1/servers/{server}                             delete one
POST     /v1/artifacts                                    upload a tar.gz
GET      /v1/deployments                                  the project's deployments
POST     /v1/deployments                                  deploy a service, or its next release
GET      /v1/deployments/{deployment}                     one, with its steps and releases
DELETE   /v1/deployments/{deployment}                     undeploy
POST     /v1/deployments/{deployment}/cancel              take back what is under way
POST     /v1/deployments/{deployment}/rollback            go back to an earlier release
GET      /v1/deployments/{deployment}/log                 what its steps printed; ?follow=true streams it
GET      /v1/deployments/{deployment}/journal             what the service prints; ?follow=true streams it
GET      /v1/providers                                    servers that services are made on, their plans
POST     /v1/providers                                    attach one
GET      /v1/providers/{provider}                         one
PUT      /v1/providers/{provider}                         change it
DELETE   /v1/providers/{provider}                         detach it; ?force=true with its services
GET      /v1/services                                     the project's databases
POST     /v1/services                                     have one made
GET      /v1/services/{service}                           one, with its credentials
PUT      /v1/services/{service}                           another plan
DELETE   /v1/services/{service}                           delete it, and what is in it
GET      /v1/services/{service}/bindings                  its logins
POST     /v1/services/{service}/bindings                  another login
GET      /v1/services/{service}/bindings/{binding}        one, with its credentials
DELETE   /v1/services/{service}/bindings/{binding}        delete one
POST     /v1/services/{service}/rotate                    new credentials, also where they are bound
GET      /osb/v2/catalog                                  Open Service Broker API: what there is to be had
PUT      /osb/v2/service_instances/{instance}             have a service, by the platform's id
GET      /osb/v2/service_instances/{instance}             one
PATCH    /osb/v2/service_instances/{instance}             another plan
DELETE   /osb/v2/service_instances/{instance}             delete it
GET      /osb/v2/service_instances/{instance}/last_operation  how far it is
PUT      /osb/v2/service_instances/{instance}/service_bindings/{binding}  another login, by the platform's id
GET      /osb/v2/service_instances/{instance}/service_bindings/{binding}  one, with its credentials
DELETE   /osb/v2/service_instances/{instance}/service_bindings/{binding}  delete one
GET      /osb/v2/service_instances/{instance}/service_bindings/{binding}/last_operation  how far it is
GET      /registry/health                                 is the registry up
GET      /registry/changes                                what has changed; waits for it, or streams it
GET      /registry/service/types                          service types
GET      /registry/service/types/{type}                   instances of a type
GET      /registry/service/types/{type}/best              the instance to use now
GET      /registry/service/types/{type}/{index}           one instance
GET      /registry/service/{instance}                     one instance
PUT      /registry/service/{instance}                     change it, as a whole
PATCH    /registry/service/{instance}                     change what is given
DELETE   /registry/service/{instance}                     remove it
PUT      /registry/service/{instance}/maintenance         take it out, or let it in again
GET      /registry/service                                search instances
GET      /registry/service/{instance}/readings            its check and the last readings
PUT      /registry/service/{instance}/heartbeat           it reports that it lives
POST     /registry/service                                register an instance
POST     /registry/tokens                                 a signature for one that registers itself
GET      /registry/facades/http_sd                        targets for Prometheus
GET      /registry/.well-known/jwks.json                  the keys that verify signatures, no token
GET      /registry/subscriptions                          webhooks: who is told of changes
POST     /registry/subscriptions                          subscribe
GET      /registry/subscriptions/{subscription}           one
DELETE   /registry/subscriptions/{subscription}           unsubscribe
GET      /registry/subscriptions/{subscription}/deliveries  what did not get through
POST     /registry/subscriptions/{subscription}/deliveries/resend  send all of it again
POST     /registry/subscriptions/{subscription}/deliveries/{index}/resend  send one again
=======  ===============================================  ===========================================
"""

import pecan
import webob.exc

from gateway.api.expose import expose
from gateway.api.shapes import many, shape

_VERSION = shape(id=str, status=str, links=many(shape(rel=str, href=str)))


class Root:
    """Pecan's root. The controllers of the capabilities are handed in by ``gateway.api.app``."""

    def __init__(self, v1: "V1", registry, healthcheck, ui):
        self.v1 = v1
        self.healthcheck = healthcheck
        self.registry = registry
        self.ui = ui

    @expose(policy=None, answer=shape(versions=many(_VERSION)))
    def index(self):
        _check_read()
        return {"versions": [self.v1.version()]}


class V1:
    """What there is, before a token is asked for."""

    def __init__(self, **resources):
        self._names = sorted(resources)
        for name, controller in resources.items():
            setattr(self, name, controller)

    def version(self) -> dict:
        return {"id": "v1", "status": "CURRENT", "links": [{"rel": "self", "href": "/v1"}]}

    @expose(policy=None, answer=shape(version=_VERSION, resources=many(shape(name=str, href=str))))
    def index(self):
        _check_read()
        resources = [{"name": name, "href": f"/v1/{name}"} for name in self._names]
        return {"version": self.version(), "resources": resources}


def _check_read() -> None:
    """Pecan calls an index for every method."""
    if pecan.request.method not in ("GET", "HEAD"):
        raise webob.exc.HTTPMethodNotAllowed(headers={"Allow": "GET, HEAD"})
