@admin
Feature: Providers that make services in their own way
  Besides servers of databases an admin attaches providers that speak HTTP: by the simple protocol of a standalone
  service registry, or any Open Service Broker. Here both are real: a small provider, and a broker on openbrokerapi.

  Scenario: A service of a provider that speaks HTTP
    Given an http provider with the plans free and big
    When a member calls GET /v1/providers/the-http
    Then "provider.url" is "{provider_url}"
    And "provider.service" is "documents"
    And "provider.offers.documents.free.description" is "For a try."
    When a member calls POST /v1/services
      """
      {"service": {"type": "documents", "plan": "free"}}
      """
    Then the answer is 201
    And "service.name" is like documents-[0-9a-f]{8}
    And "service.credentials.MONGODB_URL" is like mongodb://gw[0-9a-f]{16}:[0-9a-f]{32}@203.0.113.9/.+
    Given "service.name" is remembered as service
    And "service.id" is remembered as id
    Then the provider was asked for POST /documents {"plan": "free", "name": "gw{id}"}
    And the provider has gw{id} of plan free, and nothing else
    When a member calls PUT /v1/services/{service}
      """
      {"service": {"plan": "big"}}
      """
    Then the answer is 200
    And "service.credentials.MONGODB_URL" is like mongodb://gw.+
    And the provider has gw{id} of plan big, and nothing else
    When a member calls POST /v1/services/{service}/bindings
      """
      {}
      """
    Then the answer is 201
    And "binding.credentials.MONGODB_URL" is like mongodb://gw.+
    When a member calls DELETE /v1/services/{service}
    Then the answer is 204
    And the provider has nothing

  Scenario: A service of an Open Service Broker
    Given an osb provider that is attached
    When a member calls GET /v1/providers/the-osb
    Then "provider.offers" has Queues.v2
    When a member calls POST /v1/services
      """
      {"service": {"type": "Queues.v2", "plan": "free", "name": "mail"}}
      """
    Then the answer is 201
    And "service.credentials.uri" is like amqp://[0-9a-f]{32}@203.0.113.9/
    When a member calls GET /v1/services/mail/bindings
    Then "bindings" are 1
    Given "bindings.0.id" is remembered as old
    When a member calls POST /v1/services/mail/bindings
      """
      {}
      """
    Then the answer is 201
    And the provider has binding, binding, instance of plan-free, and nothing else
    When a member calls DELETE /v1/services/mail/bindings/{old}
    Then the answer is 204
    And the provider has binding, instance of plan-free, and nothing else
    When the broker's catalogue has large only
    And an admin calls PUT /v1/providers/the-osb
      """
      {"provider": {"url": "{provider_url}", "username": "{manager}"}}
      """
    Then the answer is 200
    And "provider.offers" is {"Queues.v2": {"large": {"description": "Queues, large."}}}
    When a member calls POST /v1/services
      """
      {"service": {"type": "Queues.v2", "plan": "free"}}
      """
    Then the error is 400 gateway.service.plan, which says "there is large"
    When a member calls POST /v1/services/mail/bindings
      """
      {}
      """
    Then the answer is 201
    When a member calls PUT /v1/services/mail
      """
      {"service": {"plan": "large"}}
      """
    Then the answer is 200
    And the provider has binding, binding, instance of plan-large, and nothing else
    When a member calls DELETE /v1/services/mail
    Then the answer is 204
    And the provider has nothing

  Scenario: A plan without bindings, that stays, for projects and for platforms
    Given an osb provider that is attached
    And a platform with an application credential of a member's
    When a member calls POST /v1/services
      """
      {"service": {"type": "Queues.v2", "plan": "fixed", "name": "dull"}}
      """
    Then the answer is 201
    And "service.credentials" is null
    When a member calls POST /v1/services/dull/bindings
      """
      {}
      """
    Then the error is 409 gateway.binding.none
    When a member calls PUT /v1/services/dull
      """
      {"service": {"plan": "free"}}
      """
    Then the error is 409 gateway.service.plan_fixed
    And its field is "service.plan"
    When the platform calls GET /osb/v2/catalog
    Then "services.0.name" is "Queues.v2"
    And "services.0.plans.0.bindable" is false
    And "services.0.plans.0.plan_updateable" is false
    Given "services.0.id" is remembered as queues
    And "services.0.plans.0.id" is remembered as fixed
    And "services.0.plans.1.id" is remembered as free
    When the platform calls PUT /osb/v2/service_instances/q-1
      """
      {"service_id": "{queues}", "plan_id": "{fixed}", "organization_guid": "o-1", "space_guid": "s-1"}
      """
    Then the answer is 201
    When the platform calls PUT /osb/v2/service_instances/q-1/service_bindings/b-1
      """
      {"service_id": "{queues}", "plan_id": "{fixed}"}
      """
    Then the answer is 400
    When the platform calls PATCH /osb/v2/service_instances/q-1
      """
      {"service_id": "{queues}", "plan_id": "{free}"}
      """
    Then the answer is 422
    When the platform calls PUT /osb/v2/service_instances/q-2
      """
      {"service_id": "{queues}", "plan_id": "{free}", "organization_guid": "o-1", "space_guid": "s-1"}
      """
    And the platform calls PUT /osb/v2/service_instances/q-2/service_bindings/b-2
      """
      {"service_id": "{queues}", "plan_id": "{free}"}
      """
    Then the answer is 201
    And "credentials.uri" is like amqp://[0-9a-f]{32}@203.0.113.9/
    And the provider has binding, instance of plan-fixed, instance of plan-fixed, instance of plan-free, and nothing else

  Scenario: An Open Service Broker that takes its time
    Given an osb provider that is attached
    When a member calls POST /v1/services
      """
      {"service": {"type": "Queues.v2", "plan": "slow", "name": "later"}}
      """
    Then soon "service.status" of GET /v1/services/later is "ready"
    And "service.credentials.uri" is like amqp://[0-9a-f]{32}@203.0.113.9/
    And the provider has binding, instance of plan-slow, and nothing else
    When a member calls DELETE /v1/services/later
    Then soon GET /v1/services/later answers 404
    And the provider has nothing

  Scenario Outline: A provider that does it, and does not say so
    Given an <kind>
    And the provider does what <call> asks for, and <happens>
    When a member calls POST /v1/services
      """
      {"service": {"type": "<type>", "plan": "<plan>", "name": "taken-back"}}
      """
    Then the error is 502 <code>
    And that has happened
    And soon "service.status" of GET /v1/services/taken-back is "failed"
    And "service.fault.code" is "<code>"
    And the provider has nothing

    Examples:
      | kind                                      | type      | plan  | call                        | happens                | code                         |
      | http provider with the plans free and big | documents | free  | POST /documents             | closes the connection  | gateway.provider.unreachable |
      | http provider with the plans free and big | documents | free  | POST /documents             | answers nonsense       | gateway.provider.answer      |
      | http provider with the plans free and big | documents | free  | POST /documents             | answers without an end | gateway.provider.answer      |
      | http provider with the plans free and big | documents | free  | POST /documents             | sends us elsewhere     | gateway.provider.refused     |
      | osb provider that is attached             | Queues.v2 | free  | PUT /v2/service_instances/ID | answers 500           | gateway.provider.refused     |
      | osb provider that is attached             | Queues.v2 | free  | PUT /service_bindings/ID    | answers nonsense       | gateway.provider.answer      |
      | osb provider that is attached             | Queues.v2 | free  | PUT /service_bindings/ID    | answers 500            | gateway.provider.refused     |

  Scenario: A provider is late; the gateway is killed; the provider goes away, and comes back
    Given a gateway of the scenario's own that waits 6 s for providers, and checks them each second
    And an http provider with the plans free and big
    And the provider takes its time
    When a member calls POST /v1/services
      """
      {"service": {"type": "documents", "plan": "free", "name": "late"}}
      """
    Then the error is 504 gateway.provider.timeout, which says "did not answer within 6 s"
    And the provider has nothing
    When the provider gets done
    Then soon "service.status" of GET /v1/services/late is "failed"
    And the provider has nothing
    Given the provider does what POST /documents asks for, and says nothing
    When a member begins to have a service kept of documents
    Then that has happened
    When the daemon is killed
    And the provider answers again
    And the daemon is started again
    Then soon "service.status" of GET /v1/services/kept is "ready"
    And the provider has of plan free, and nothing else
    When a member calls GET /v1/providers/the-http
    Then "provider.health.status" is "passing"
    When an admin calls GET /registry/service/types/provider-the-http
    Then the answer is 200
    And one of "services" has name "provider-the-http-0"
    When an admin calls DELETE /registry/service/provider-the-http-0
    Then the error is 409 gateway.registry.attached
    When the provider goes away
    Then soon "provider.health.status" of GET /v1/providers/the-http is "critical"
    When a member calls POST /v1/services
      """
      {"service": {"type": "documents", "plan": "free", "name": "refused"}}
      """
    Then the error is 503 gateway.provider.failing, which says "Connect call failed"
    And its header Retry-After is 30
    When a member calls GET /v1/services/refused
    Then the error is 404 gateway.service.not_found
    When the provider comes back
    Then soon "provider.health.status" of GET /v1/providers/the-http is "passing"
    When a member calls GET /v1/services/kept
    And "service.id" is remembered as id
    And the provider goes away
    And I run gateway --os-cloud admin provider delete the-http --forget
    Then it exits with 0
    And it prints "Left there, maybe: gw{id}."
    And the provider has gw{id} of plan free, and nothing else
    When somebody removes by hand what is left there
    And a member calls GET /v1/services/kept
    Then the error is 404 gateway.service.not_found
    When an admin calls GET /registry/service/types/provider-the-http
    Then the error is 404 gateway.registry.type_not_found

  Scenario: A provider is believed by its certificate alone
    Given an http provider with a certificate of its own
    When an admin calls POST /v1/providers
      """
      {"provider": {"name": "safe", "type": "http", "url": "{provider_url}", "service": "documents",
        "username": "{manager}", "password": "{password}", "plans": {"free": {}}}}
      """
    Then the error is 502 gateway.provider.unreachable, which says "certificate is refused"
    When an admin calls POST /v1/providers
      """
      {"provider": {"name": "safe", "type": "http", "url": "{provider_url}", "service": "documents", "ca": "{ca}",
        "username": "{manager}", "password": "{password}", "plans": {"free": {}}}}
      """
    Then the answer is 201
    And the answer never mentions "{password}"
    When a member calls POST /v1/services
      """
      {"service": {"type": "documents", "plan": "free"}}
      """
    Then the answer is 201

  Scenario Outline: Providers that are refused
    Given an <kind> provider
    When an admin calls POST /v1/providers
      """
      {"provider": {"name": "refused", "type": "<kind>", "url": "{provider_url}",
        "username": "{manager}", "password": "{password}", <members>}}
      """
    Then the error is <error>
    When an admin calls GET /v1/providers
    Then "providers" are 0

    Examples:
      | kind | members                                                                           | error                                                        |
      | http | "plans": {"free": {}}                                                             | 400 gateway.request.invalid, which says "service:"           |
      | http | "plans": {"free": {}}, "service": "documents", "host": "192.0.2.1"                | 400 gateway.request.invalid, which says "host:"              |
      | http | "plans": {"free": {"connections": 1}}, "service": "documents"                     | 400 gateway.provider.limit, which says "does not enforce it" |
      | http | "plans": {"free": {}}, "service": "Two words"                                     | 400 gateway.request.invalid, which says "service"            |
      | http | "plans": {"free": {}}, "service": "documents", "url": "http://169.254.169.254/"   | 400 gateway.provider.host, which says "blocked_networks"     |
      | http | "plans": {"free": {}}, "service": "documents", "url": "http://a@127.0.0.1/"       | 400 gateway.request.invalid, which says "url"                |
      | http | "plans": {"free": {}}, "service": "documents", "url": "http://127.0.0.1:99999/"   | 400 gateway.provider.host, which says "range"                |
      | http | "plans": {"free": {}}, "service": "documents", "url": "http://127.1/"             | 400 gateway.provider.host, which says "neither"              |
      | http | "plans": {"free": {}}, "service": "documents", "ca": "-----BEGIN CERTIFICATE-----" | 400 gateway.provider.ca, which says "PEM"                   |
      | http | "plans": {"free": {}}, "service": "documents", "password": "wrong"                | 502 gateway.provider.refused, which says "it answered 401"   |
      | osb  | "plans": {"free": {}}                                                             | 400 gateway.request.invalid, which says "plans:"             |
      | osb  | "password": "wrong"                                                               | 502 gateway.provider.refused, which says "it answered 401"   |

  Scenario: A catalogue that is none
    Given an osb provider
    And the provider does what GET /v2/catalog asks for, and answers nonsense
    When an admin calls POST /v1/providers
      """
      {"provider": {"name": "refused", "type": "osb", "url": "{provider_url}",
        "username": "{manager}", "password": "{password}"}}
      """
    Then the error is 502 gateway.provider.answer, which says "catalogue"

  Scenario: On the command line
    Given an http provider
    And a file password_file with its manager's password
    When I run gateway --os-cloud admin provider create docs --type http --url {provider_url} --service documents --username {manager} --password-file {password_file} --plan free
    Then it exits with 0
    And it prints "documents: free"
    When I run gateway --os-cloud admin provider update docs --plan big,description=Much
    Then it exits with 0
    And it prints "documents: free, big"
    When I run gateway provider list
    Then it exits with 0
    And it prints "{provider_url}"
    When I run gateway --os-cloud admin provider delete docs
    Then it exits with 0
    And it prints "docs is deleted."
