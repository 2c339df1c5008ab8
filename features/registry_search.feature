Feature: Services with versions, found, changed and removed
  A service has a type and a version. Who adds, changes or removes one is told the change and its index.

  Scenario: Services are found with and without their version
    When a member adds the service test 0.0.1
    Then the answer is 201
    And "change" is "created"
    When a member adds the service test 0.0.1
    And a member adds the service test 0.0.2
    And a member adds the service test 0.0.2
    And a member adds the service test2 0.0.2
    And a member adds the service test2 0.0.2
    Then the answer is 201
    And "change" is "created"
    When a member searches for test 0.0.1
    Then 2 services are found, each of them test 0.0.1
    When a member searches for test 0.0.2
    Then 2 services are found, each of them test 0.0.2
    When a member searches for test2 0.0.2
    Then 2 services are found, each of them test2 0.0.2
    When a member searches for test without a version
    Then 4 services are found
    When a member searches for test2 without a version
    Then 2 services are found
    When a member searches for test 0.0.4
    Then 0 services are found
    When a member searches for test3 without a version
    Then 0 services are found
    When a member updates test-0 to the version 0.0.3
    Then the answer is 200
    And "change" is "changed"
    When a member searches for test 0.0.3
    Then 1 services are found, each of them test 0.0.3
    When a member removes test-0
    Then the answer is 200
    And "change" is "removed"
    When a member searches for test 0.0.3
    Then 0 services are found
    When a member calls GET /registry/service/test-0
    Then the error is 404 gateway.registry.instance_not_found

  Scenario: Each change has the next index
    When a member adds the service indexed 1
    And "index" is remembered as first
    And a member calls PATCH /registry/service/indexed-0
      """
      {"weight": 7, "tags": ["blue", "eu"]}
      """
    Then the answer is 200
    And "instance" is "indexed-0"
    And "change" is "changed"
    And "index" is not {first}
    When "index" is remembered as second
    And a member calls GET /registry/service/indexed-0
    Then "index" is {second}
    And "weight" is 7
    And "tags" is ["blue", "eu"]
    And "version" is "1"
    When a member calls PATCH /registry/service/indexed-0
      """
      {"weight": "7"}
      """
    Then the answer is 200
    And "change" is null
    And "index" is {second}

  Scenario Outline: Ranges of versions, healths and tags
    When a member adds the service ranged 1.2.0 with the tags ["blue"]
    And a member adds the service ranged v1.2.7 with the tags ["blue", "eu"]
    And a member adds the service ranged 1.3.0 with the tags []
    And a member calls GET /registry/service?type=ranged&<query>
    Then the answer is 200
    And "services" are <count>

    Examples:
      | query                           | count |
      | version=1.2.7                   | 0     |
      | version=v1.2.7                  | 1     |
      | version=~1.2                    | 2     |
      | version=~1                      | 3     |
      | version=~1.2.1                  | 1     |
      | version=~2                      | 0     |
      | tag=blue                        | 2     |
      | tag=eu&version=~1.2             | 1     |
      | tag=nothing                     | 0     |
      | health=passing                  | 3     |
      | health=critical                 | 0     |
      | limit=2                         | 2     |
      | limit=2&marker=ranged-1         | 1     |
      | marker=ranged-2                 | 0     |

  Scenario: A long list comes in pages, each with what was asked for
    When a member adds the service paged 1
    And a member adds the service paged 1
    And a member adds the service paged 2
    And a member adds the service paged 1
    And a member calls GET /registry/service?type=paged&version=1&limit=2
    Then "services" are 2
    And "services_links.0.rel" is "next"
    When a member follows "services_links.0.href"
    Then "services" are 1
    And "services.0.name" is "paged-3"
    And the answer never mentions "services_links"

  Scenario Outline: What cannot be searched for
    When a member calls GET /registry/service?<query>
    Then the error is 400 <code>
    And its field is "<field>"

    Examples:
      | query          | code                      | field   |
      | version=~one   | gateway.registry.version  | version |
      | version=~      | gateway.registry.version  | version |
      | health=well    | gateway.request.invalid   | health  |
      | limit=0        | gateway.request.invalid   | limit   |
      | marker=nothing | gateway.registry.marker   | marker  |
      | colour=blue    | gateway.request.parameter | colour  |
      | tag=a&tag=b    | gateway.request.parameter | tag     |

  Scenario: PUT replaces a service as a whole, and what is new about it is checked
    Given a web service old whose health check is answered 200
    And a web service new whose health check is answered 200
    And a web service ill whose health check is answered 500
    When a member registers old as another moved
    And a member calls PATCH /registry/service/moved-0
      """
      {"tags": ["blue"], "version": "1"}
      """
    And a member calls PUT /registry/service/moved-0
      """
      {"proto": "http", "host": "{here}", "port": {new_port}, "version": "2"}
      """
    Then the answer is 200
    And "change" is "changed"
    When a member calls GET /registry/service/moved-0
    Then "port" is {new_port}
    And "version" is "2"
    And "tags" is []
    And "health" is "/"
    When a member calls PUT /registry/service/moved-0
      """
      {"proto": "http", "host": "{here}", "port": {ill_port}}
      """
    Then the error is 422 gateway.registry.unhealthy, which says "500"
    When a member calls PATCH /registry/service/moved-0
      """
      {"host": "169.254.169.254"}
      """
    Then the error is 400 gateway.registry.host_blocked, which says "169.254.169.254"
    When a member calls GET /registry/service/moved-0
    Then "port" is {new_port}
    And "version" is "2"

  Scenario: A service cannot take another one's place
    Given a web service one whose health check is answered 200
    And a web service two whose health check is answered 200
    When a member registers one as another place
    And a member registers two as another place
    And a member calls PATCH /registry/service/place-1
      """
      {"port": {one_port}}
      """
    Then the error is 409 gateway.registry.exists, which says "place-0"

  Scenario Outline: What a service cannot be changed to
    When a member adds the service fixed 1
    And a member calls <method> /registry/service/fixed-0
      """
      <body>
      """
    Then the error is 400 <code>
    And its field is "<field>"

    Examples:
      | method | body                                                | code                       | field     |
      | PUT    | {"proto": "http", "host": "{here}"}                 | gateway.request.invalid    | body      |
      | PATCH  | {"type": "other"}                                   | gateway.registry.type      | type      |
      | PATCH  | {"weight": -1}                                      | gateway.request.invalid    | weight    |
      | PATCH  | {"tags": ["a b"]}                                   | gateway.request.invalid    | tags.0    |
      | PATCH  | {"tags": "blue"}                                    | gateway.request.invalid    | tags      |
      | PATCH  | {"tags": ["a", "a"]}                                | gateway.request.invalid    | tags      |
      | PATCH  | {"name": "fixed-1"}                                 | gateway.request.invalid    | body      |
      | PATCH  | {"signature": "nonsense"}                           | gateway.registry.signature | signature |
      | PATCH  | []                                                  | gateway.request.invalid    | body      |

  Scenario Outline: What is not there can be neither changed nor removed
    When a member calls <method> /registry/service/<name>
      """
      {"weight": 1, "proto": "http", "host": "{here}", "port": 1}
      """
    Then the error is 404 gateway.registry.instance_not_found

    Examples:
      | method | name      |
      | PUT    | nobody-0  |
      | PATCH  | nobody-0  |
      | PATCH  | nobody    |
      | DELETE | nobody-0  |
      | DELETE | nobody    |

  @aio
  Scenario: Another project's services can be neither changed nor removed, and a reader only looks
    When a member adds the service ours 1
    And a stranger calls DELETE /registry/service/ours-0
    Then the error is 404 gateway.registry.instance_not_found
    When a stranger calls PATCH /registry/service/ours-0
      """
      {"weight": 0}
      """
    Then the error is 404 gateway.registry.instance_not_found
    When a reader calls DELETE /registry/service/ours-0
    Then the error is 403 gateway.policy.forbidden
    When a reader calls PATCH /registry/service/ours-0
      """
      {"weight": 0}
      """
    Then the error is 403 gateway.policy.forbidden
    When a reader calls GET /registry/service?type=ours
    Then "services" are 1

  Scenario: A service in maintenance is shown with its reason and is never the best
    Given a web service worn whose health check is answered 200
    And a web service spare whose health check is answered 200
    When a member registers worn as another worn
    And a member registers spare as another worn
    And a member calls PUT /registry/service/worn-0/maintenance
      """
      {"enabled": true, "reason": "new disk"}
      """
    Then the answer is 200
    And "change" is "changed"
    When a member calls GET /registry/service/worn-0
    Then "status" is "maintenance"
    And "reason" is "new disk"
    And soon of 10 calls of GET /registry/service/types/worn/best 10 name worn-1
    When the health check of worn is answered 500 from now on
    And a member calls PUT /registry/service/worn-0/maintenance
      """
      {"enabled": false}
      """
    Then the answer is 200
    And soon "status" of GET /registry/service/worn-0 is "critical"
    And "reason" is ""
    When the health check of worn is answered 200 from now on
    Then soon "status" of GET /registry/service/worn-0 is "passing"

  Scenario: A service is drained by a weight of 0
    Given a web service full whose health check is answered 200
    And a web service idle whose health check is answered 200
    When a member registers full as another drained
    And a member registers idle as another drained
    And a member calls PATCH /registry/service/drained-0
      """
      {"weight": 0}
      """
    Then the answer is 200
    And soon of 10 calls of GET /registry/service/types/drained/best 10 name drained-1
    When a member calls GET /registry/service/drained-0
    Then "status" is "passing"

  Scenario Outline: What is no maintenance
    When a member calls PUT /registry/service/worn-0/maintenance
      """
      <body>
      """
    Then the error is 400 gateway.request.invalid
    And its field is "<field>"

    Examples:
      | body                             | field   |
      | {}                               | body    |
      | {"enabled": "yes"}               | enabled |
      | {"enabled": true, "reason": 1}   | reason  |
      | {"enabled": true, "until": 1}    | body    |

  Scenario: Maintenance of nobody, and methods that are not there
    When a member calls PUT /registry/service/nobody-0/maintenance
      """
      {"enabled": true}
      """
    Then the error is 404 gateway.registry.instance_not_found
    When a member calls GET /registry/service/nobody-0/maintenance
    Then the error is 405 gateway.request.method_not_allowed
    And its header Allow is PUT
    When a member calls DELETE /registry/service
    Then the error is 405 gateway.request.method_not_allowed
    And its header Allow is GET, HEAD, POST
    When a member calls POST /registry/service/nobody-0
    Then the error is 405 gateway.request.method_not_allowed
    And its header Allow is DELETE, GET, HEAD, PATCH, PUT
    When a member calls HEAD /registry/service
    Then the answer is 200
