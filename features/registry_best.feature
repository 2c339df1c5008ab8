Feature: The best instance of a service
  Of those that pass their check and have a weight one is the best: by turns, by chance, by latency or by a key.
  Each call may say how; asked why, the registry says it of every instance.

  Scenario: Over 10,000 calls to all API processes every share is within 2 % of its weight
    When a member adds the service fair 1 with the weight 1
    And a member adds the service fair 1 with the weight 2
    And a member adds the service fair 1 with the weight 3
    And a member adds the service fair 1 with the weight 4
    And every API process knows of fair-3
    Then of 10000 calls of GET /registry/service/types/fair/best the shares are 10, 20, 30 and 40 %, within 2 % of each

  Scenario Outline: Each call may choose how
    When a member adds the service how 1 with the weight 1
    And a member adds the service how 1 with the weight 9
    And every API process knows of how-1
    Then of <calls> calls of GET /registry/service/types/how/best?balancer=<balancer> <first> name how-0 and <second> name how-1

    Examples:
      | balancer | calls | first | second |
      | RR       | 40    | 20    | 20     |
      | WRR      | 40    | 4     | 36     |
      | RND      | 300   | 150   | 150    |
      | WRND     | 300   | 30    | 270    |

  Scenario: The one whose health checks are answered soonest
    Given a web service fast whose health check is answered 200
    And a web service slow whose health check is answered late
    When a member registers fast
    And a member registers slow as another fast
    Then soon of 20 calls of GET /registry/service/types/fast/best?balancer=LL 20 name fast-0

  Scenario: A key stays with its instance, in every process
    When a member adds the service sticky 1 with the weight 1
    And a member adds the service sticky 1 with the weight 1
    And a member adds the service sticky 1 with the weight 1
    And every API process knows of sticky-2
    And a member calls GET /registry/service/types/sticky/best?key=alice
    And "name" is remembered as hers
    Then of 20 calls of GET /registry/service/types/sticky/best?key=alice 20 name {hers}
    And of 20 calls of GET /registry/service/types/sticky/best?balancer=HASH&key=alice 20 name {hers}

  Scenario: Filters by version and tag
    When a member adds the service picked 1.2.0 with the tags ["blue"]
    And a member adds the service picked 1.2.5 with the tags ["green"]
    And a member adds the service picked 2.0.0 with the tags ["blue"]
    Then soon of 20 calls of GET /registry/service/types/picked/best?version=2.0.0 20 name picked-2
    And of 20 calls of GET /registry/service/types/picked/best?version=~1.2&tag=green 20 name picked-1
    And of 20 calls of GET /registry/service/types/picked/best?tag=blue 10 name picked-0 and 10 name picked-2
    When a member calls GET /registry/service/types/picked/best?version=3.0.0
    Then the error is 404 gateway.registry.none_matching

  Scenario: Why this one, and why not the others
    When a member adds the service why 1 with the weight 3
    And a member adds the service why 2 with the weight 1
    And a member adds the service why 1 with the weight 0
    And a member adds the service why 1 with the weight 1
    And a member calls PUT /registry/service/why-3/maintenance
      """
      {"enabled": true, "reason": "new disk"}
      """
    Then soon of 20 calls of GET /registry/service/types/why/best?version=1 20 name why-0
    When a member calls GET /registry/service/types/why/best?version=1&explain=true
    Then the answer is 200
    And "name" is "why-0"
    And "explanation" are 4
    And "explanation.0.won" is true
    And "explanation.0.why" says "turn"
    And "explanation.0.weight" is 3
    And "explanation.1.won" is false
    And "explanation.1.why" says "version"
    And "explanation.2.why" says "drained"
    And "explanation.3.why" says "new disk"
    And "explanation.3.status" is "maintenance"

  Scenario: Why none of them
    When a member adds the service none 1 with the weight 0
    And a member calls GET /registry/service/types/none/best?explain=true
    Then the error is 503 gateway.registry.none_passing, which says "none-0 passing"
    And "explanation.0.why" says "drained"
    And it has a header Retry-After

  Scenario Outline: What cannot be asked
    When a member adds the service asked 1
    And a member calls GET /registry/service/types/asked/best?<query>
    Then the error is 400 <code>
    And its field is "<field>"

    Examples:
      | query               | code                      | field    |
      | balancer=BEST       | gateway.request.invalid   | balancer |
      | balancer=HASH       | gateway.registry.key      | key      |
      | balancer=RR&key=a   | gateway.registry.key      | key      |
      | version=~new        | gateway.registry.version  | version  |
      | explain=perhaps     | gateway.request.invalid   | explain  |
      | colour=blue         | gateway.request.parameter | colour   |
