"""Who may do what: reader looks, member acts, in their own project; admin manages what all of them use."""

from oslo_config import cfg
from oslo_policy import policy

READER = "role:reader and project_id:%(project_id)s"
MEMBER = "role:member and project_id:%(project_id)s"
ADMIN = "role:admin"

_RULES = (
    ("gateway:flavors:get", READER, "See flavors", "GET", "/v1/flavors"),
    ("gateway:images:get", READER, "See images", "GET", "/v1/images"),
    ("gateway:networks:get", READER, "See networks", "GET", "/v1/networks"),
    ("gateway:servers:get", READER, "See servers", "GET", "/v1/servers"),
    ("gateway:servers:create", MEMBER, "Boot servers", "POST", "/v1/servers"),
    ("gateway:servers:delete", MEMBER, "Delete servers", "DELETE", "/v1/servers/{id}"),
    ("gateway:artifacts:create", MEMBER, "Upload artifacts", "POST", "/v1/artifacts"),
    ("gateway:deployments:get", READER, "See deployments and their logs", "GET", "/v1/deployments"),
    (
        "gateway:deployments:journal",
        MEMBER,
        "Read the journal of a deployed service, on its server",
        "GET",
        "/v1/deployments/{id}/journal",
    ),
    ("gateway:deployments:create", MEMBER, "Deploy", "POST", "/v1/deployments"),
    ("gateway:deployments:delete", MEMBER, "Undeploy", "DELETE", "/v1/deployments/{id}"),
    ("gateway:providers:get", READER, "See providers and their plans", "GET", "/v1/providers"),
    ("gateway:providers:create", ADMIN, "Attach providers", "POST", "/v1/providers"),
    (
        "gateway:providers:update",
        ADMIN,
        "Change providers, and see how they are managed",
        "PUT",
        "/v1/providers/{provider}",
    ),
    ("gateway:providers:delete", ADMIN, "Detach providers", "DELETE", "/v1/providers/{provider}"),
    ("gateway:services:get", READER, "See services and their bindings", "GET", "/v1/services"),
    ("gateway:services:credentials", MEMBER, "See their credentials", "GET", "/v1/services/{service}"),
    ("gateway:services:create", MEMBER, "Have services", "POST", "/v1/services"),
    (
        "gateway:services:update",
        MEMBER,
        "Change services, make, rotate and delete bindings",
        "PUT",
        "/v1/services/{service}",
    ),
    ("gateway:services:delete", MEMBER, "Delete services", "DELETE", "/v1/services/{service}"),
    ("gateway:registry:get", READER, "Find instances", "GET", "/registry/service/types"),
    ("gateway:subscriptions:get", READER, "See webhooks", "GET", "/registry/subscriptions"),
    ("gateway:subscriptions:create", MEMBER, "Have webhooks", "POST", "/registry/subscriptions"),
    (
        "gateway:subscriptions:delete",
        MEMBER,
        "Delete webhooks",
        "DELETE",
        "/registry/subscriptions/{subscription}",
    ),
    ("gateway:registry:register", MEMBER, "Register instances", "POST", "/registry/service"),
    (
        "gateway:registry:heartbeat",
        MEMBER,
        "Report for instances",
        "PUT",
        "/registry/service/{instance}/heartbeat",
    ),
    ("gateway:registry:sign", MEMBER, "Have signatures minted", "POST", "/registry/tokens"),
    ("gateway:registry:update", MEMBER, "Change instances", "PUT", "/registry/service/{instance}"),
    ("gateway:registry:remove", MEMBER, "Remove instances", "DELETE", "/registry/service/{instance}"),
)


def list_rules() -> list[policy.DocumentedRuleDefault]:
    """For oslopolicy-sample-generator and ``enforcer``."""
    return [
        policy.DocumentedRuleDefault(
            name, check, text, [{"method": method, "path": path}], scope_types=["project"]
        )
        for name, check, text, method, path in _RULES
    ]


def enforcer(conf: cfg.ConfigOpts) -> policy.Enforcer:
    """Reads ``[oslo_policy] policy_file`` over the defaults."""
    made = policy.Enforcer(conf)
    made.register_defaults(list_rules())
    return made
