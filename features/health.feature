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
