Feature: Health checks
  An instance says at its registration how it is to be checked; that decides whether it is taken in, and how it is
  from then on. Each scenario starts small real services, on this machine's address {here}.

  Scenario Outline: An answer that passes
    Given a web service shop whose health check is answered <answer>
    When a member registers shop with the check <check>
    Then the answer is 201
    When a member calls GET /registry/service/types/shop/best
    Then the answer is 200
    And "status" is "passing"

    Examples:
      | answer                 | check                                                  |
      | 200                    | {}                                                     |
      | 404                    | {"status": 404}                                        |
      | 204                    | {"kind": "http", "path": "/up", "status": [200, 204]}  |
      | {"state": "ready"}     | {"body": "ready"}                                      |
      | {"free": 12}           | {"body_pattern": "\"free\": [1-9][0-9]*"}              |
      | 500                    | {"kind": "tcp"}                                        |
      | nothing                | {"kind": "ttl", "interval": 30}                        |

  Scenario Outline: An answer that does not pass
    Given a web service shut whose health check is answered <answer>
    When a member registers shut with the check <check>
    Then the error is 422 gateway.registry.unhealthy, which says "<says>"
    When a member calls GET /registry/service/types/shut
    Then the error is 404 gateway.registry.type_not_found

    Examples:
      | answer             | check                                                        | says                   |
      | 200                | {"status": 204}                                              | 200 OK                 |
      | 302                | {}                                                           | 302 Found              |
      | {"state": "full"}  | {"body": "ready"}                                            | the body has no        |
      | {"free": 0}        | {"body_pattern": "free. [1-9]"}                              | nothing in the body    |
      | nothing            | {"timeout": 0.3}                                             | timed out after 0.3 s  |
      | 200                | {"kind": "https"}                                            | https                  |
      | 200                | {"kind": "grpc", "timeout": 2}                               | grpc                   |

  Scenario: A pattern that would take others ages costs nothing
    Given a web service slow whose health check is answered {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa": 0}
    When a member registers slow with the check {"body_pattern": "(a|aa)+$", "timeout": 5}
    Then the error is 422 gateway.registry.unhealthy, which says "nothing in the body"

  Scenario: A gRPC service that speaks the standard health protocol
    Given a gRPC service ledger whose health is SERVING
    When a member registers ledger with the check {"kind": "grpc", "service": "ledger"}
    Then the answer is 201
    Given a gRPC service books whose health is NOT_SERVING
    When a member registers books with the check {"kind": "grpc", "service": "books"}
    Then the error is 422 gateway.registry.unhealthy, which says "NOT_SERVING"
    When a member registers books with the check {"kind": "grpc", "service": "unheard"}
    Then the error is 422 gateway.registry.unhealthy, which says "NOT_FOUND"

  Scenario Outline: A check that makes no sense
    Given a web service odd whose health check is answered 200
    When a member registers odd with the check <check>
    Then the error is 400 gateway.request.invalid, which says "<says>"
    And its field is "<field>"
    And "status" is "INVALID"

    Examples:
      | check                                                            | field                          | says                      |
      | {"kind": "icmp"}                                                 | check.kind                     | http, https, tcp          |
      | {"kind": "ssh", "command": "true"}                               | check.kind                     | http, https, tcp          |
      | {"path": "up"}                                                   | check.path                     | / first                   |
      | {"interval": 0}                                                  | check.interval                 | 0.1 to 3600               |
      | {"interval": "10"}                                               | check.interval                 | 0.1 to 3600               |
      | {"timeout": 301}                                                 | check.timeout                  | 0.05 to 300               |
      | {"status": 99}                                                   | check.status                   | 100 to 599                |
      | {"status": []}                                                   | check.status                   | 100 to 599                |
      | {"body": ""}                                                     | check.body                     | 1 to 1024                 |
      | {"body_pattern": "("}                                            | check.body_pattern             | RE2                       |
      | {"body_pattern": "(?=a)"}                                        | check.body_pattern             | RE2                       |
      | {"kind": "tcp", "path": "/"}                                     | check.path                     | it is for http            |
      | {"kind": "http", "service": "x"}                                 | check.service                  | it is for grpc            |
      | {"success_before_passing": 0}                                    | check.success_before_passing   | 1 to 100                  |
      | {"failures_before_critical": 101}                                | check.failures_before_critical | 1 to 100                  |
      | {"failures_before_warning": 3, "failures_before_critical": 2}    | check.failures_before_warning  | failures_before_critical  |
      | {"deregister_after": 59}                                         | check.deregister_after         | 60                        |
      | {"often": true}                                                  | check                          | often                     |

  Scenario Outline: Only what the project may reach is checked
    When a member calls POST /registry/service
      """
      {"proto": "http", "type": "foreign", "host": "<host>", "port": 80, "check": {"kind": "ttl"}}
      """
    Then the error is 400 gateway.registry.<code>, which says "<says>"
    And its field is "host"

    Examples:
      | host            | code         | says                   |
      | 192.0.2.9       | host_foreign | no address of a server |
      | 2001:db8::9     | host_foreign | no address of a server |
      | localhost       | host_blocked | 127.0.0.0/8            |
      | 169.254.169.254 | host_blocked | 169.254.0.0/16         |

  Scenario: The last readings are kept
    Given a web service diary whose health check is answered 200
    When a member registers diary with the check {"interval": 0.3, "timeout": 2, "body": "well"}
    Then soon "readings" of GET /registry/service/diary-0/readings are 10
    And each of "readings" has ok, output, at and latency
    And "readings.0.output" is "200 OK"
    And "check.interval" is 0.3
    And "check.body" is "well"
    And "status" is "passing"
    When the health check of diary is answered 500 from now on
    Then soon "status" of GET /registry/service/diary-0/readings is "critical"
    And soon "readings.9.output" of GET /registry/service/diary-0/readings is "500 Internal Server Error"
    And "readings" are 10
    When a member calls GET /registry/service/diary-7/readings
    Then the error is 404 gateway.registry.instance_not_found
    When a member calls GET /registry/service/diary/readings
    Then the error is 404 gateway.registry.instance_not_found

  @aio
  Scenario: Another project's readings are not there
    Given a web service secret whose health check is answered 200
    When a stranger registers secret
    And a member calls GET /registry/service/secret-0/readings
    Then the error is 404 gateway.registry.instance_not_found
    When a member calls PUT /registry/service/secret-0/heartbeat
      """
      {}
      """
    Then the error is 404 gateway.registry.instance_not_found

  Scenario: So many failures in a row until a warning, so many until critical, so many answers until it is believed
    Given a web service calm whose health check is answered 200
    When a member registers calm with the check {"interval": 2, "failures_before_warning": 2, "failures_before_critical": 3, "success_before_passing": 2}
    And the health check of calm is answered 500 from now on
    Then soon "status" of GET /registry/service/calm-0 is "warning"
    And the last readings of calm-0 are 2 failures
    And soon "status" of GET /registry/service/calm-0 is "critical"
    And the last readings of calm-0 are 3 failures
    When the health check of calm is answered 200 from now on
    Then soon "status" of GET /registry/service/calm-0 is "passing"
    And the last readings of calm-0 are 2 successes

  Scenario: An instance that reports by itself
    Given a web service pulse whose health check is answered nothing
    When a member registers pulse with the check {"kind": "ttl", "interval": 2}
    Then the answer is 201
    And soon "status" of GET /registry/service/pulse-0 is "critical"
    And "output" is "no heartbeat for 2 s"
    When a member calls PUT /registry/service/pulse-0/heartbeat
      """
      {}
      """
    Then the answer is 200
    And "status" is "OK"
    And soon "status" of GET /registry/service/pulse-0 is "passing"
    When a member calls PUT /registry/service/pulse-0/heartbeat
      """
      {"status": "critical", "output": "disk full"}
      """
    Then soon "output" of GET /registry/service/pulse-0 is "disk full"
    And "status" is "critical"

  Scenario Outline: A heartbeat that is none
    Given a web service lively whose health check is answered 200
    When a member registers lively with the check <check>
    And <who> calls PUT /registry/service/<name>/heartbeat
      """
      <body>
      """
    Then the error is <error>

    Examples:
      | check                           | who      | name      | body                  | error                                     |
      | {}                              | a member | lively-0  | {}                    | 409 gateway.registry.not_ttl              |
      | {"kind": "ttl", "interval": 60} | a member | lively-9  | {}                    | 404 gateway.registry.instance_not_found   |
      | {"kind": "ttl", "interval": 60} | a member | lively-0  | {"status": "warm"}    | 400 gateway.request.invalid               |
      | {"kind": "ttl", "interval": 60} | a member | lively-0  | {"output": 7}         | 400 gateway.request.invalid               |
      | {"kind": "ttl", "interval": 60} | a member | lively-0  | {"mood": "good"}      | 400 gateway.request.invalid               |
      | {"kind": "ttl", "interval": 60} | a member | lively-0  | alive                 | 400 gateway.request.json                  |
      | {"kind": "ttl", "interval": 60} | nobody   | lively-0  | {}                    | 401 gateway.auth.token                    |

  Scenario: When most fail together, the network is suspected first
    Given a gateway of the scenario's own with [monitor] brake_minimum = 5
    And 6 web services fleet whose health checks are answered 200
    When a member registers each of fleet with the check {"interval": 1, "timeout": 1, "failures_before_critical": 2, "deregister_after": 60}
    And the health checks of 4 of fleet are answered 500 from now on
    Then soon 4 of fleet are critical
    And soon of 60 calls of GET /registry/service/types/fleet/best all 6 are named, and 4 say that they are held
    And "held" of GET /registry/service/fleet-0/readings is true
    And "held" of GET /registry/service/fleet-5/readings is false
    When the health checks of 2 of fleet are answered 200 from now on
    Then soon 2 of fleet are critical
    And soon of 60 calls of GET /registry/service/types/fleet/best all 4 are named, and 0 say that they are held

  Scenario: While the monitor does not reach its reference nobody is taken for dead
    Given a web service beacon whose health check is answered 200
    And a gateway of the scenario's own with [monitor] reference = {here}:{beacon_port}
    And a web service lone whose health check is answered 200
    When a member registers lone with the check {"interval": 1, "timeout": 1, "failures_before_critical": 1}
    And the health check of lone is answered 500 from now on
    Then soon GET /registry/service/types/lone/best answers 503
    When the web service beacon stops
    Then soon GET /registry/service/types/lone/best answers 200
    And "held" is true
    And "status" is "critical"
    When a member calls GET /registry/service/types/lone/best?explain=true
    Then the answer is 200
    And "explanation.0.won" is true
    And "explanation.0.why" says "held: it is critical (500"

  Scenario Outline: A reference that is none
    When I start a gatewayd with [monitor] <option> = <value>
    Then it ends with 1 and says "<option>"

    Examples:
      | option      | value   |
      | reference   | here    |
      | brake_share | 1.5     |

  Scenario: Who stays critical is removed
    Given a web service ghost whose health check is answered 200
    When a member registers ghost with the check {"interval": 1, "timeout": 1, "failures_before_critical": 1, "deregister_after": 60}
    And the web service ghost stops
    Then soon "output" of GET /registry/service/ghost-0 is "connection refused"
    And "status" is "critical"
    And within 90 seconds GET /registry/service/ghost-0 is answered 404
