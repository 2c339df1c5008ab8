Feature: The registry for clients that know no Keystone
  The ports that RG_HTTP_PORT, RG_HTTPS_PORT and RG_RPC_PORT name serve the registry of one project: reads from allowed
  networks, registrations with a valid signature. They are off until they are set.

  Scenario Outline: Every route of the seed, over <scheme>
    Given a gateway of the scenario's own with the seed's variables
    And a web service auth whose health check is answered {"up": true}
    And a signature for auth at {here}
    When a client without a token calls <scheme> GET /registry/health
    Then the answer is 200
    And "up" is true
    When a client without a token calls <scheme> GET /registry/service/types
    Then the answer is 200
    And "types" is []
    When a client without a token calls <scheme> POST /registry/service
      """
      {"proto": "http", "type": "auth", "host": "{here}", "port": "{auth_port}", "httpPort": "{auth_port}",
       "httpsPort": "0", "routes": ["/login", "/logout"], "health": "/auth/health", "weight": "3",
       "signature": "{token}"}
      """
    Then the answer is 201
    And "status" is "OK"
    And "message" is "OK"
    When a client without a token calls <scheme> GET /registry/service/types
    Then the answer is 200
    And one of "types" has type "auth"
    When a client without a token calls <scheme> GET /registry/service/types/auth
    Then the answer is 200
    And "services" are 1
    And each of "services" has proto, type, host, port, httpPort, httpsPort, routes, health, weight and signature
    When a client without a token calls <scheme> GET /registry/service/types/auth/best
    Then the answer is 200
    And "proto" is "http"
    And "type" is "auth"
    And "host" is "{here}"
    And "port" is {auth_port}
    And "httpPort" is {auth_port}
    And "httpsPort" is 0
    And "routes" is ["/login", "/logout"]
    And "health" is "/auth/health"
    And "weight" is 3
    And "signature" is "{token}"
    When a client without a token calls <scheme> GET /registry/service/auth-0
    Then the answer is 200
    And "port" is {auth_port}
    When a client without a token calls <scheme> GET /registry/service/types/auth/0
    Then the answer is 200
    And "port" is {auth_port}
    When a client without a token calls <scheme> POST /registry/service
      """
      {"proto": "http", "type": "auth", "host": "{here}", "port": {auth_port}, "signature": "{token}"}
      """
    Then the error is 409 gateway.registry.exists
    And "status" is "EXISTS"
    When a member calls GET /registry/service/auth-0
    Then the answer is 200

    Examples:
      | scheme |
      | HTTP   |
      | HTTPS  |

  Scenario: The words for what is not taken in
    Given a gateway of the scenario's own with the seed's variables
    And a web service ill whose health check is answered {"up": false}
    And a signature for ill at {here}
    When a client without a token calls HTTP POST /registry/service
      """
      {"proto": "http", "type": "ill", "host": "{here}", "port": {ill_port}, "signature": "{token}"}
      """
    Then the error is 422 gateway.registry.unhealthy
    And "status" is "NOT_IMPLEMENTED"
    And the web service ill was asked 2 times
    When a client without a token calls HTTP POST /registry/service
      """
      {"proto": "http", "type": "ill", "host": "{here}", "port": {ill_port}}
      """
    Then the error is 400 gateway.registry.signature
    And "status" is "INVALID"
    When a client without a token calls HTTP POST /registry/service
      """
      {"proto": "http", "type": "other", "host": "{here}", "port": {ill_port}, "signature": "{token}"}
      """
    Then the error is 400 gateway.registry.signature
    And "status" is "INVALID"
    When a client without a token calls HTTP POST /registry/service
      """
      {}
      """
    Then the answer is 400
    And "status" is "NULL"
    When a client without a token calls HTTPS GET /registry/service/types
    Then "types" is []

  Scenario Outline: What is not to be had there
    Given a gateway of the scenario's own with the seed's variables
    When a client without a token calls HTTP <method> <path>
      """
      <body>
      """
    Then the error is <status> <code>

    Examples:
      | method | path                           | body             | status | code                            |
      | GET    | /v1/servers                    |                  | 404    | gateway.request.not_found       |
      | GET    | /                              |                  | 404    | gateway.request.not_found       |
      | POST   | /registry/tokens               | {"type": "auth"} | 403    | gateway.standalone.forbidden    |
      | DELETE | /registry/service/auth-0       |                  | 403    | gateway.standalone.forbidden    |
      | GET    | /registry/service/types/x/best |                  | 404    | gateway.registry.type_not_found |

  Scenario: Who is in no allowed network reads nothing
    Given a gateway of the scenario's own with the seed's variables, read from 192.0.2.0/24 alone
    And a web service auth whose health check is answered 200
    And a signature for auth at {here}
    When a client without a token calls HTTP GET /registry/service/types
    Then the error is 403 gateway.standalone.network
    When a client without a token calls HTTP POST /registry/service
      """
      {"proto": "http", "type": "auth", "host": "{here}", "port": {auth_port}, "signature": "{token}"}
      """
    Then the answer is 201
    When a client without a token asks gRPC for ListServicesTypes
    Then gRPC fails with PERMISSION_DENIED, gateway.standalone.network

  Scenario: Over gRPC
    Given a gateway of the scenario's own with the seed's variables
    And a web service auth whose health check is answered 200
    And a signature for auth at {here}
    When a client without a token asks gRPC for GetHealth
    Then "up" is true
    When a client without a token asks gRPC for Register
      """
      {"proto": "http", "type": "auth", "host": "{here}", "port": {auth_port}}
      """
    Then "status" is "INVALID"
    When a client without a token asks gRPC for Register
      """
      {"proto": "http", "type": "auth", "host": "{here}", "port": {auth_port}, "signature": "{token}"}
      """
    Then "status" is "OK"
    When a client without a token asks gRPC for BestInstance
      """
      {"type": "auth"}
      """
    Then "port" is {auth_port}
    And "signature" is "{token}"

  Scenario: RG_BALANCER
    Given a gateway of the scenario's own with the seed's variables and RG_BALANCER=RR
    And a web service one whose health check is answered 200
    And a signature for even at {here}
    When a client without a token calls HTTP POST /registry/service
      """
      {"proto": "http", "type": "even", "host": "{here}", "port": {one_port}, "weight": 9, "signature": "{token}"}
      """
    Then the answer is 201
    Given a web service two whose health check is answered 200
    When a client without a token calls HTTP POST /registry/service
      """
      {"proto": "http", "type": "even", "host": "{here}", "port": {two_port}, "weight": 1, "signature": "{token}"}
      """
    Then the answer is 201
    And 20 calls of HTTP /registry/service/types/even/best name even-0 and even-1

  Scenario Outline: Variables that say nothing good
    When I start a gatewayd with <variable>
    Then it ends with 1 and says "<says>"

    Examples:
      | variable             | says                    |
      | RG_BALANCER=FASTEST  | RG_BALANCER             |
      | RG_HTTP_PORT=many    | RG_HTTP_PORT            |
      | RG_RPC_PORT=8080     | [standalone] project_id |
