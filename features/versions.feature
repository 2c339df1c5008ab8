Feature: Finding one's way in
  Whoever comes with nothing but a URL learns what is here, before a token is asked for.

  Scenario: The root names the versions
    When nobody calls GET /
    Then the answer is 200
    And "versions.0.id" is "v1"
    And "versions.0.status" is "CURRENT"

  Scenario: Version 1 names its resources
    When nobody calls GET /v1
    Then the answer is 200
    And one of "resources" has name "flavors"
    And one of "resources" has name "deployments"
    And one of "resources" has href "/v1/servers"

  Scenario: A load balancer asks whether the daemon is well
    When nobody calls GET /healthcheck
    Then the answer is 200

  Scenario: A URL that leads nowhere says so
    When a member calls GET /v1/floppies
    Then the error is 404 gateway.request.not_found, which says "nothing at this URL"

  Scenario Outline: A method that a URL does not take
    When a member calls <method> <path>
    Then the error is 405 gateway.request.method_not_allowed
    And its header Allow has "<allowed>"

    Examples:
      | method | path               | allowed |
      | POST   | /                  | GET     |
      | DELETE | /v1                | GET     |
      | PUT    | /healthcheck       | GET     |
      | PUT    | /v1/servers        | POST    |
      | DELETE | /v1/deployments    | POST    |
      | POST   | /v1/flavors        | GET     |
      | GET    | /v1/artifacts      | POST    |
      | DELETE | /registry/service  | POST    |

  Scenario: The request id that an answer carries is in the daemon's log
    When a member calls GET /v1/flavors/no-such-flavor
    Then the error is 404 gateway.flavor.not_found
    And the daemon's log has the answer's request id
