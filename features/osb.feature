@aio @admin @databases
Feature: The Open Service Broker API: platforms such as Cloud Foundry have services made
  A platform is given the gateway as a broker, with the id and the secret of an application credential: what its
  users ask for is made in that credential's project. The calls are those that Cloud Foundry makes.

  Background:
    Given a platform with an application credential of a member's

  Scenario: A service's whole life: create-service, bind-service, rotate, unbind-service, delete-service
    Given a redis server with the plans free and big
    When the platform calls GET /osb/v2/catalog
    Then the answer is 200
    And one of "services" has name "redis"
    And each of "services" has id, description, bindable, plan_updateable, instances_retrievable and bindings_retrievable
    And each of "services.0.plans" has id, name, description, binding_rotatable, maximum_polling_duration and schemas
    And the platform remembers the catalog
    When the platform calls GET /osb/v2/catalog with If-None-Match: {etag}
    Then the answer is 304
    When the platform calls PUT /osb/v2/service_instances/i-1 on behalf of {"user_id": "u-683ea748"}
      """
      {"service_id": "{redis}", "plan_id": "{redis_free}", "organization_guid": "o-1", "space_guid": "s-1",
       "context": {"platform": "cloudfoundry", "instance_name": "orders", "from-the-future": 1}, "from-the-future": {}}
      """
    Then the answer is 201
    And the platform gets back what it has called its request
    When the platform calls PUT /osb/v2/service_instances/i-1
      """
      {"service_id": "{redis}", "plan_id": "{redis_free}", "organization_guid": "o-1", "space_guid": "s-1"}
      """
    Then the answer is 200
    When the platform calls GET /osb/v2/service_instances/i-1
    Then the answer is 200
    And "plan_id" is "{redis_free}"
    When a member calls GET /v1/services
    Then "services" are 1
    And "services.0.name" is "orders"
    And "services.0.platform.instance_id" is "i-1"
    And "services.0.platform.identity" is {"platform": "cloudfoundry", "user": {"user_id": "u-683ea748"}}
    When the platform calls PUT /osb/v2/service_instances/i-1/service_bindings/b-1
      """
      {"service_id": "{redis}", "plan_id": "{redis_free}", "bind_resource": {"app_guid": "a-1"}}
      """
    Then the answer is 201
    And its header Cache-Control is no-store
    And "credentials" has REDIS_URL, REDIS_PREFIX, uri, host, port, username and password
    And "endpoints.0.host" is "127.0.0.1"
    Given the credentials in "credentials" are those of first
    When the platform calls PUT /osb/v2/service_instances/i-1/service_bindings/b-1
      """
      {"service_id": "{redis}", "plan_id": "{redis_free}", "app_guid": "a-1"}
      """
    Then the answer is 200
    Given the credentials in "credentials" are those of again
    When a client writes "kept" with the credentials of first
    Then a client reads "kept" with the credentials of again
    When the platform calls PUT /osb/v2/service_instances/i-1/service_bindings/b-2
      """
      {"predecessor_binding_id": "b-1"}
      """
    Then the answer is 201
    Given the credentials in "credentials" are those of second
    Then a client reads "kept" with the credentials of first
    And a client reads "kept" with the credentials of second
    When the platform calls DELETE /osb/v2/service_instances/i-1/service_bindings/b-1?service_id={redis}&plan_id={redis_free}
    Then the answer is 200
    And no client can log in with the credentials of first
    When the platform calls GET /osb/v2/service_instances/i-1/service_bindings/b-2
    Then the answer is 200
    Given the credentials in "credentials" are those of fetched
    Then a client reads "kept" with the credentials of fetched
    When the platform calls GET /osb/v2/service_instances/i-1/service_bindings/b-1
    Then the answer is 404
    When the platform calls DELETE /osb/v2/service_instances/i-1/service_bindings/b-1?service_id={redis}&plan_id={redis_free}
    Then the answer is 410
    When the platform calls PATCH /osb/v2/service_instances/i-1?accepts_incomplete=true
      """
      {"service_id": "{redis}", "plan_id": "{redis_big}", "previous_values": {"plan_id": "{redis_free}"}}
      """
    Then the platform is soon told that it has succeeded: /osb/v2/service_instances/i-1
    When a member calls GET /v1/services/orders
    Then "service.plan" is "big"
    When the platform calls DELETE /osb/v2/service_instances/i-1?service_id={redis}&plan_id={redis_big}
    Then the answer is 200
    And no client can log in with the credentials of second
    And the redis server has nothing of the broker's
    When the platform calls DELETE /osb/v2/service_instances/i-1?service_id={redis}&plan_id={redis_big}
    Then the answer is 410
    When the platform calls GET /osb/v2/service_instances/i-1/last_operation
    Then the answer is 410
    When a member calls GET /v1/services
    Then "services" are 0

  Scenario: What takes long: accepted, polled, and nothing else meanwhile
    Given a gateway of the scenario's own with [broker] timeout = 60
    And a platform with an application credential of a member's
    And a mysql server behind a proxy, with the plan free
    And the platform has read the catalog
    And answers of mysql wait once it is told to "CREATE DATABASE"
    When the platform calls PUT /osb/v2/service_instances/i-2?accepts_incomplete=true
      """
      {"service_id": "{mysql}", "plan_id": "{mysql_free}", "organization_guid": "o-1", "space_guid": "s-1"}
      """
    Then the answer is 202
    Given "operation" is remembered as operation
    When the platform calls PUT /osb/v2/service_instances/i-2?accepts_incomplete=true
      """
      {"service_id": "{mysql}", "plan_id": "{mysql_free}", "organization_guid": "o-1", "space_guid": "s-1"}
      """
    Then the answer is 202
    And "operation" is "{operation}"
    When the platform calls GET /osb/v2/service_instances/i-2/last_operation?operation={operation}
    Then the answer is 200
    And "state" is "in progress"
    And its header Retry-After is 1
    When the platform calls GET /osb/v2/service_instances/i-2
    Then the answer is 404
    When the platform calls PUT /osb/v2/service_instances/i-2/service_bindings/b-1
      """
      {"service_id": "{mysql}", "plan_id": "{mysql_free}"}
      """
    Then the answer is 422
    And "error" is "ConcurrencyError"
    When the platform calls PATCH /osb/v2/service_instances/i-2
      """
      {"service_id": "{mysql}"}
      """
    Then the answer is 422
    And "error" is "ConcurrencyError"
    When answers come through again
    Then the platform is soon told that it has succeeded: /osb/v2/service_instances/i-2
    Given answers of mysql wait once it is told to "CREATE USER"
    When the platform calls PUT /osb/v2/service_instances/i-2/service_bindings/b-1?accepts_incomplete=true
      """
      {"service_id": "{mysql}", "plan_id": "{mysql_free}"}
      """
    Then the answer is 202
    And the answer never mentions "credentials"
    When the platform calls GET /osb/v2/service_instances/i-2/service_bindings/b-1
    Then the answer is 404
    When the platform calls GET /osb/v2/service_instances/i-2/service_bindings/b-1/last_operation?operation=bind
    Then "state" is "in progress"
    When answers come through again
    Then the platform is soon told that it has succeeded: /osb/v2/service_instances/i-2/service_bindings/b-1
    When the platform calls GET /osb/v2/service_instances/i-2/service_bindings/b-1
    Then the answer is 200
    Given the credentials in "credentials" are those of late
    When a client writes "here" with the credentials of late
    And the platform calls DELETE /osb/v2/service_instances/i-2?service_id={mysql}&plan_id={mysql_free}&accepts_incomplete=true
    Then the platform is soon told that it is gone: /osb/v2/service_instances/i-2
    And the mysql server has nothing of the broker's

  Scenario: An orphan: what failed, and what was never answered, is deleted by its id
    Given a postgresql server behind a proxy, with the plan free
    And the platform has read the catalog
    When the proxy of postgresql goes away
    And the platform calls PUT /osb/v2/service_instances/i-3
      """
      {"service_id": "{postgresql}", "plan_id": "{postgresql_free}", "organization_guid": "o-1", "space_guid": "s-1"}
      """
    Then the answer is 502
    And "description" says "Connection refused"
    When the platform calls GET /osb/v2/service_instances/i-3/last_operation
    Then "state" is "failed"
    When the proxy of postgresql comes back
    And the platform calls DELETE /osb/v2/service_instances/i-3?service_id={postgresql}&plan_id={postgresql_free}&accepts_incomplete=true
    Then the platform is soon told that it is gone: /osb/v2/service_instances/i-3
    Given answers of postgresql wait once it is told to "CREATE DATABASE"
    When the platform gives up PUT /osb/v2/service_instances/i-4
      """
      {"service_id": "{postgresql}", "plan_id": "{postgresql_free}", "organization_guid": "o-1", "space_guid": "s-1"}
      """
    And the platform calls DELETE /osb/v2/service_instances/i-4?service_id={postgresql}&plan_id={postgresql_free}&accepts_incomplete=true
    Then the answer is 202
    When the platform calls GET /osb/v2/service_instances/i-4/last_operation?operation=create
    Then "state" is "failed"
    When answers come through again
    Then the platform is soon told that it is gone: /osb/v2/service_instances/i-4
    And the postgresql server has nothing of the broker's

  Scenario: Calls that are refused, and change nothing
    Given a redis server with the plan free
    And the platform has read the catalog
    And the platform has an instance i-5 of redis
    When the platform makes calls, each of them is refused
      | why               | status | error                   | says          | call                                                         | body |
      | another space     | 409    | Conflict                | already       | PUT /osb/v2/service_instances/i-5                            | {"service_id": "{redis}", "plan_id": "{redis_free}", "organization_guid": "o-1", "space_guid": "s-2"} |
      | no such offering  | 400    | Invalid                 | service_id    | PUT /osb/v2/service_instances/i-6                            | {"service_id": "nope", "plan_id": "{redis_free}", "organization_guid": "o-1", "space_guid": "s-1"} |
      | no such plan      | 400    | Invalid                 | plan_id       | PUT /osb/v2/service_instances/i-6                            | {"service_id": "{redis}", "plan_id": "nope", "organization_guid": "o-1", "space_guid": "s-1"} |
      | no space          | 400    | Invalid                 | space_guid    | PUT /osb/v2/service_instances/i-6                            | {"service_id": "{redis}", "plan_id": "{redis_free}", "organization_guid": "o-1"} |
      | a parameter       | 400    | Invalid                 | parameters    | PUT /osb/v2/service_instances/i-6                            | {"service_id": "{redis}", "plan_id": "{redis_free}", "organization_guid": "o-1", "space_guid": "s-1", "parameters": {"x": 1}} |
      | no JSON           | 400    | Invalid                 | not JSON      | PUT /osb/v2/service_instances/i-6                            | { |
      | maintenance       | 422    | MaintenanceInfoConflict | none          | PUT /osb/v2/service_instances/i-6                            | {"service_id": "{redis}", "plan_id": "{redis_free}", "organization_guid": "o-1", "space_guid": "s-1", "maintenance_info": {"version": "1.0.0"}} |
      | unclear query     | 400    | Invalid                 | accepts       | PUT /osb/v2/service_instances/i-6?accepts_incomplete=perhaps | {"service_id": "{redis}", "plan_id": "{redis_free}", "organization_guid": "o-1", "space_guid": "s-1"} |
      | an update of none | 404    | NotFound                | no instance   | PATCH /osb/v2/service_instances/i-6                          | {"service_id": "{redis}"} |
      | a binding of none | 404    | NotFound                | no instance   | PUT /osb/v2/service_instances/i-6/service_bindings/b-1       | {"service_id": "{redis}", "plan_id": "{redis_free}"} |
      | no offering named | 400    | Invalid                 | service_id    | PUT /osb/v2/service_instances/i-5/service_bindings/b-1       | {"plan_id": "{redis_free}"} |
      | no plan so named  | 400    | Invalid                 | plan_id       | PUT /osb/v2/service_instances/i-5/service_bindings/b-1       | {"service_id": "{redis}", "plan_id": "nope"} |
      | no predecessor    | 400    | Invalid                 | predecessor   | PUT /osb/v2/service_instances/i-5/service_bindings/b-1       | {"predecessor_binding_id": "b-0"} |
      | a delete of what? | 400    | Invalid                 | service_id    | DELETE /osb/v2/service_instances/i-5?plan_id=x               |  |
      | a wrong delete    | 400    | Invalid                 | service_id    | DELETE /osb/v2/service_instances/i-5?plan_id=x&service_id=x  |  |
      | nothing there     | 404    | NotFound                | nothing       | GET /osb/v2/service_plans                                    |  |
      | a wrong method    | 405    | MethodNotAllowed        | method        | POST /osb/v2/catalog                                         | {} |
    And a member calls GET /v1/services
    Then "services" are 1

  Scenario: Who may call, and how
    Given a redis server with the plan free
    And the platform has read the catalog
    And the platform has an instance i-7 of redis
    When nobody calls GET /osb/v2/catalog with X-Broker-API-Version: 2.17
    Then the answer is 401
    And its header WWW-Authenticate has "Basic"
    When nobody calls GET /osb/v2/catalog with Authorization: Basic bm9ib2R5OmF0IGFsbA==
    Then the answer is 401
    When nobody calls GET /osb/v2/catalog with Authorization: Basic not-base64
    Then the answer is 401
    When a member calls GET /osb/v2/catalog with X-Broker-API-Version: 2.17
    Then the answer is 200
    When a member calls GET /osb/v2/catalog
    Then the answer is 412
    And "description" says "X-Broker-API-Version is missing; 2.17"
    When a member calls GET /osb/v2/catalog with X-Broker-API-Version: 3.0
    Then the answer is 412
    When a member calls GET /osb/v2/service_instances/i-7 with X-Broker-API-Version: 2.13
    Then the answer is 200
    When a stranger calls GET /osb/v2/service_instances/i-7 with X-Broker-API-Version: 2.17
    Then the answer is 404
    When a reader calls GET /osb/v2/service_instances/i-7 with X-Broker-API-Version: 2.17
    Then the answer is 200
    When a reader calls GET /osb/v2/service_instances/i-7/service_bindings/b-1 with X-Broker-API-Version: 2.17
    Then the answer is 403
    And "error" is "Forbidden"
    When the platform calls GET /osb/v2/service_instances/i-7 with X-Broker-API-Originating-Identity: cloudfoundry e30
    Then the answer is 400
    And "description" says "X-Broker-API-Originating-Identity"

  Scenario: A plan that is a server: nobody can wait for it, and a restricted credential cannot have it booted
    When an admin calls POST /v1/providers
      """
      {"provider": {"name": "own", "type": "server", "service": "redis", "plans": {"small": {"command": "true",
        "port": 6379, "server": {"flavor": "{flavor}", "image": "{image}", "network": "{network}"},
        "credentials": {"HOST": "{host}"}}}}}
      """
    Then the answer is 201
    Given the platform has read the catalog
    When the platform calls PUT /osb/v2/service_instances/i-8
      """
      {"service_id": "{redis}", "plan_id": "{redis_small}", "organization_guid": "o-1", "space_guid": "s-1"}
      """
    Then the answer is 422
    And "error" is "AsyncRequired"
    When the platform calls PUT /osb/v2/service_instances/i-8?accepts_incomplete=true
      """
      {"service_id": "{redis}", "plan_id": "{redis_small}", "organization_guid": "o-1", "space_guid": "s-1"}
      """
    Then the answer is 403
    And "description" says "application credential"
    When the platform calls GET /osb/v2/service_instances/i-8/last_operation
    Then the answer is 410
    When an admin calls DELETE /v1/providers/own
    Then the answer is 204

  Scenario: Another gateway has this one for a broker
    Given a gateway of the scenario's own
    And a platform with an application credential of a member's
    And a redis server with the plan free
    When another gateway attaches this one with that credential, and has it make a service far of redis
    Then a client writes "from afar" with the credentials of far
    When a member calls GET /v1/services
    Then "services.0.name" is "far"
    And "services.0.platform.identity.platform" is "openstack"
    When a member has far deleted by the other gateway
    Then no client can log in with the credentials of far
    And the redis server has nothing of the broker's

  Scenario: Whatever is sent, it is answered as the specification says
    Given a redis server with the plans free and big
    And the platform has read the catalog
    Then schemathesis, with the specification as OpenAPI, finds nothing wrong in 5 examples of each call
