Feature: The registry of services
  Every service type and its instances, checked before they are taken in and ever after; one of them is the best.
  Each scenario starts small real web services, on this machine's address {here}.

  Scenario: The registry is up
    When nobody calls GET /registry/health
    Then the answer is 200
    And "up" is true

  Scenario: Registered, and found in every way
    Given a web service mail whose health check is answered 200
    And a web service spare whose health check is answered {"up": true, "load": 7}
    When a member calls POST /registry/service
      """
      {"proto": "http", "type": "mail", "host": "{here}", "port": "{mail_port}", "httpPort": "{mail_port}",
       "httpsPort": "0", "routes": ["/send", "/inbox"], "health": "/mail/health", "weight": "2", "signature": ""}
      """
    Then the answer is 201
    And "status" is "OK"
    And "message" is "OK"
    When a member calls POST /registry/service
      """
      {"proto": "http", "type": "mail", "host": "{here}", "port": {spare_port}, "health": "/", "weight": 1}
      """
    Then the answer is 201
    When a member calls GET /registry/service/types
    Then the answer is 200
    And one of "types" has type "mail"
    When a member calls GET /registry/service/types/mail
    Then the answer is 200
    And "services" are 2
    And each of "services" has proto, type, host, port, httpPort, httpsPort, routes, health, weight and signature
    When a member calls GET /registry/service/types/mail/0
    Then the answer is 200
    And "port" is {mail_port}
    And "host" is "{here}"
    And "routes" is ["/send", "/inbox"]
    And "health" is "/mail/health"
    And "weight" is 2
    When a member calls GET /registry/service/mail-1
    Then the answer is 200
    And "port" is {spare_port}
    When a member calls GET /registry/service/types/mail/best
    Then the answer is 200
    And "type" is "mail"
    And of 30 calls of GET /registry/service/types/mail/best 20 name mail-0 and 10 name mail-1

  Scenario: The same service once more
    Given a web service auth whose health check is answered 200
    When a member registers auth
    Then the answer is 201
    When a member registers auth
    Then the error is 409 gateway.registry.exists
    And "status" is "EXISTS"
    And "message" is not "OK"

  Scenario Outline: A service that is not well is not taken in
    Given a web service ill whose health check is answered <answer>
    When a member registers ill
    Then the error is 422 gateway.registry.unhealthy, which says "<says>"
    And "status" is "NOT_IMPLEMENTED"
    When a member calls GET /registry/service/types/ill/best
    Then the error is 404 gateway.registry.type_not_found

    Examples:
      | answer        | says   |
      | 500           | 500    |
      | 404           | 404    |
      | {"up": false} | up     |
      | nothing       | out    |

  Scenario: Where nobody listens
    Given a web service gone whose health check is answered 200
    When the web service gone stops
    And a member registers gone
    Then the error is 422 gateway.registry.unhealthy, which says "refused"
    And "status" is "NOT_IMPLEMENTED"

  Scenario Outline: The gateway's own host and the metadata service are out of bounds
    When a member calls POST /registry/service
      """
      {"proto": "http", "type": "sneaky", "host": "<host>", "port": 5000, "health": "/v3"}
      """
    Then the error is 400 gateway.registry.host_blocked, which says "<host>"
    And "status" is "INVALID"

    Examples:
      | host             |
      | 127.0.0.1        |
      | 127.1.2.3        |
      | 169.254.169.254  |
      | ::1              |
      | ::ffff:127.0.0.1 |

  Scenario Outline: A signature that this gateway did not make
    Given a web service forged whose health check is answered 200
    When a member calls POST /registry/service
      """
      {"proto": "http", "type": "forged", "host": "{here}", "port": {forged_port}, "signature": "<signature>"}
      """
    Then the error is 400 gateway.registry.signature
    And "status" is "INVALID"

    Examples:
      | signature                                                                           |
      | nonsense                                                                            |
      | eyJhbGciOiJub25lIn0.eyJpc3MiOiJnYXRld2F5IiwidHlwZSI6ImZvcmdlZCJ9.                   |
      | eyJhbGciOiJIUzI1NiIsImtpZCI6IjEifQ.eyJpc3MiOiJnYXRld2F5In0.c2lnbmF0dXJlLW1hZGUtdXA  |

  Scenario Outline: No service received
    When a member calls POST /registry/service
      """
      <body>
      """
    Then the answer is 400
    And "status" is "NULL"

    Examples:
      | body |
      |      |
      | null |
      | {}   |

  Scenario Outline: What is not a service
    When a member calls POST /registry/service
      """
      {"proto": "<proto>", "type": "<type>", "host": "<host>", "port": "<port>", "health": "<health>"<more>}
      """
    Then the error is 400 <code>
    And "status" is "INVALID"

    Examples:
      | proto | type  | host        | port  | health | more           | code                    |
      | ftp   | web   | {here}      | 80    | /      |                | gateway.request.invalid |
      | http  |       | {here}      | 80    | /      |                | gateway.request.invalid |
      | http  | a/b   | {here}      | 80    | /      |                | gateway.request.invalid |
      | http  | web   | a_b         | 80    | /      |                | gateway.registry.host   |
      | http  | web   | 127.1       | 80    | /      |                | gateway.registry.host   |
      | http  | web   | no.invalid  | 80    | /      |                | gateway.registry.host   |
      | http  | web   | {here}      | 65536 | /      |                | gateway.request.invalid |
      | http  | web   | {here}      | http  | /      |                | gateway.request.invalid |
      | http  | web   | {here}      | 80    | health |                | gateway.request.invalid |
      | http  | web   | {here}      | 80    | /      | , "colour": 1  | gateway.request.invalid |

  Scenario Outline: What is not registered
    When a member calls GET /registry/service/<what>
    Then the error is 404 <code>

    Examples:
      | what                | code                                |
      | types/unknown       | gateway.registry.type_not_found     |
      | types/unknown/best  | gateway.registry.type_not_found     |
      | types/unknown/0     | gateway.registry.instance_not_found |
      | unknown-0           | gateway.registry.instance_not_found |
      | unknown             | gateway.registry.instance_not_found |

  @aio
  Scenario: Another project's services are not there
    Given a web service theirs whose health check is answered 200
    When a stranger registers theirs
    Then the answer is 201
    When a member calls GET /registry/service/types
    Then none of "types" has type "theirs"
    When a member calls GET /registry/service/types/theirs/best
    Then the error is 404 gateway.registry.type_not_found
    When a stranger calls GET /registry/service/types/theirs/best
    Then the answer is 200

  Scenario: The last one that fails a check now and then is better than none
    Given a web service shaky whose health check is answered 200
    And a web service sound whose health check is answered 200
    When a member registers shaky with the check {"interval": 1, "failures_before_critical": 100}
    And the health check of shaky is answered 500 from now on
    Then soon "status" of GET /registry/service/shaky-0 is "warning"
    When a member calls GET /registry/service/types/shaky/best?explain=true
    Then the answer is 200
    And "name" is "shaky-0"
    And "status" is "warning"
    When a member registers sound as another shaky
    And every API process knows of shaky-1
    Then of 10 calls of GET /registry/service/types/shaky/best 10 name shaky-1

  Scenario: The critical one is left out, the last one gone is 503, and back again
    Given a web service dual whose health check is answered 200
    And a web service twin whose health check is answered 200
    When a member registers dual
    And a member registers twin as another dual
    And the health check of dual is answered 500 from now on
    Then soon "status" of GET /registry/service/dual-0 is "critical"
    And of 10 calls of GET /registry/service/types/dual/best 10 name dual-1
    When the health check of twin is answered {"up": false} from now on
    Then soon GET /registry/service/types/dual/best answers 503
    And the error is 503 gateway.registry.none_passing, which says "dual"
    And it has a header Retry-After
    When the health check of dual is answered 200 from now on
    Then soon GET /registry/service/types/dual/best answers 200
    And "name" is "dual-0"
