Feature: The registry over gRPC
  Clients of the seed's registry speak gRPC. Theirs is made from the seed's own text; they bring a Keystone token.

  Scenario: It is up, and says so in the standard ways too
    When nobody asks gRPC for GetHealth
    Then gRPC answers
    And "up" is true
    And the standard health service says that proto.RegistryService is serving
    And its reflection knows proto.RegistryService

  Scenario: Registered, and found in every way
    Given a web service wired whose health check is answered {"up": true}
    When a member asks gRPC for Register
      """
      {"proto": "http", "type": "wired", "host": "{here}", "port": {wired_port}, "httpPort": {wired_port},
       "routes": ["/send", "/inbox"], "health": "/wired/health", "weight": 2}
      """
    Then gRPC answers
    And "status" is "OK"
    And "message" is "OK"
    And "service_index" is 0
    When a member asks gRPC for ListServicesTypes
    Then one of "types" has type "wired"
    When a member asks gRPC for ListByType
      """
      {"type": "wired"}
      """
    Then "services" are 1
    And "services.0.httpPort" is {wired_port}
    And "services.0.httpsPort" is 0
    When a member asks gRPC for BestInstance
      """
      {"type": "wired"}
      """
    Then gRPC answers
    And "proto" is "http"
    And "type" is "wired"
    And "host" is "{here}"
    And "port" is {wired_port}
    And "routes" is ["/send", "/inbox"]
    And "health" is "/wired/health"
    And "weight" is 2
    And "signature" is ""
    When a member asks gRPC for GetInfo
      """
      {"type": "wired", "index": 0}
      """
    Then "port" is {wired_port}
    When a member asks gRPC for GetInstanceInfo
      """
      {"instanceName": "wired-0"}
      """
    Then "port" is {wired_port}
    When a member calls GET /registry/service/wired-0
    Then the answer is 200
    And "port" is {wired_port}

  Scenario: The same service once more
    Given a web service again whose health check is answered 200
    When a member asks gRPC for Register
      """
      {"proto": "http", "type": "again", "host": "{here}", "port": {again_port}}
      """
    Then "status" is "OK"
    When a member asks gRPC for Register
      """
      {"proto": "http", "type": "again", "host": "{here}", "port": {again_port}}
      """
    Then gRPC answers
    And "status" is "EXISTS"
    And "message" is not "OK"

  Scenario Outline: What is not taken in
    Given a web service poor whose health check is answered <answer>
    When <who> asks gRPC for Register
      """
      <service>
      """
    Then gRPC answers
    And "status" is "<word>"
    And "service_index" is 0

    Examples:
      | who      | answer        | word            | service                                                                        |
      | a member | 200           | NULL            | {}                                                                             |
      | a member | {"up": false} | NOT_IMPLEMENTED | {"proto": "http", "type": "poor", "host": "{here}", "port": {poor_port}}       |
      | a member | 200           | INVALID         | {"proto": "ftp", "type": "poor", "host": "{here}", "port": {poor_port}}        |
      | a member | 200           | INVALID         | {"proto": "http", "type": "poor", "host": "127.0.0.1", "port": {poor_port}}    |
      | a member | 200           | INVALID         | {"proto": "http", "type": "poor", "host": "{here}", "port": 70000}             |
      | a member | 200           | INVALID         | {"proto": "http", "type": "poor", "host": "{here}", "port": 80, "signature": "x"} |
      | nobody   | 200           | CANCELED        | {"proto": "http", "type": "poor", "host": "{here}", "port": {poor_port}}       |

  Scenario Outline: What is not registered
    When a member asks gRPC for <method>
      """
      <what>
      """
    Then gRPC fails with NOT_FOUND, <code>

    Examples:
      | method          | what                           | code                                |
      | ListByType      | {"type": "unknown"}            | gateway.registry.type_not_found     |
      | BestInstance    | {"type": "unknown"}            | gateway.registry.type_not_found     |
      | GetInfo         | {"type": "unknown"}            | gateway.registry.instance_not_found |
      | GetInstanceInfo | {"instanceName": "unknown-0"}  | gateway.registry.instance_not_found |
      | GetInstanceInfo | {"instanceName": "unknown"}    | gateway.registry.instance_not_found |

  Scenario: Nothing is told without a good token
    When nobody asks gRPC for ListServicesTypes
    Then gRPC fails with UNAUTHENTICATED, gateway.auth.token
    When somebody asks gRPC for ListServicesTypes with the token gAAAAAmade-up
    Then gRPC fails with UNAUTHENTICATED, gateway.auth.token

  @aio
  Scenario: Another project's services are not there, and a reader registers nothing
    Given a web service apart whose health check is answered 200
    When a stranger asks gRPC for Register
      """
      {"proto": "http", "type": "apart", "host": "{here}", "port": {apart_port}}
      """
    Then "status" is "OK"
    When a member asks gRPC for BestInstance
      """
      {"type": "apart"}
      """
    Then gRPC fails with NOT_FOUND, gateway.registry.type_not_found
    When a reader asks gRPC for Register
      """
      {"proto": "http", "type": "apart", "host": "{here}", "port": {apart_port}}
      """
    Then "status" is "CANCELED"

  Scenario: Over TLS
    Given a gateway of the scenario's own whose gRPC has TLS
    When nobody asks gRPC for GetHealth
    Then gRPC answers
    When a member asks gRPC for ListServicesTypes
    Then gRPC answers
    When the client trusts no certificate
    And nobody asks gRPC for GetHealth
    Then gRPC is not reached

  Scenario: A certificate that is not there
    When I start a gatewayd with [rpc] cert_file = /nowhere/cert.pem
    Then it ends with 1 and says "/nowhere/cert.pem"
