Feature: Servers
  Booted in the caller's project with the caller's own rights, listed with their addresses, deleted.

  @servers
  Scenario: Two servers by one call, known by name, status and addresses
    Given two servers that the gateway booted
    When a member calls GET /v1/servers
    Then the answer is 200
    And each of "servers" has id, name, status, addresses, flavor, image, created_at and updated_at
    And one of "servers" has id "{server_0}"
    And one of "servers" has id "{server_1}"
    When a member calls GET /v1/servers/{server_0}
    Then the answer is 200
    And "server.status" is "ACTIVE"
    And "server.flavor.name" is "{flavor}"
    And "server.image.name" is "{image}"
    And "server.addresses.0" has address, version, type and network
    And "server.addresses.0.type" is "fixed"
    And "server.addresses.0.network" is "{network}"
    Given "server.name" is remembered as name
    When a member calls GET /v1/servers/{name}
    Then the answer is 200
    And "server.id" is "{server_0}"

  @servers
  Scenario: Page by page
    Given two servers that the gateway booted
    When a member calls GET /v1/servers?limit=1
    Then the answer is 200
    And "servers" are 1
    Given "servers.0.id" is remembered as first
    When a member calls GET /v1/servers?limit=1&marker={first}
    Then the answer is 200
    And "servers" are 1
    And none of "servers" has id "{first}"

  @servers @aio
  Scenario: Another project's server is nobody's business
    Given two servers that the gateway booted
    When a stranger calls GET /v1/servers
    Then the answer is 200
    And none of "servers" has id "{server_0}"
    When a stranger calls GET /v1/servers/{server_0}
    Then the error is 404 gateway.server.not_found
    When a stranger calls DELETE /v1/servers/{server_0}
    Then the error is 404 gateway.server.not_found
    And Nova has the server {server_0}

  Scenario: Booted and deleted
    When a member calls POST /v1/servers
      """
      {"server": {"name": "short-lived", "flavor": "{flavor}", "image": "{image}", "network": "{network}"}}
      """
    Then the answer is 202
    Given "server.id" is remembered as server
    Then "server.status" is "BUILD"
    And its header Location has "/v1/servers/{server}"
    When a member calls DELETE /v1/servers/{server}
    Then the answer is 204
    And nothing is left of it in Nova, Neutron and Keystone

  Scenario Outline: What cannot be booted
    When a member calls POST /v1/servers
      """
      {"server": {"name": "impossible", "flavor": "<flavor>", "image": "<image>", "network": "<network>"}}
      """
    Then the error is <status> <code>, which says "<says>"
    And nothing is left of it in Nova, Neutron and Keystone

    Examples:
      | flavor          | image     | network     | status | code                      | says           |
      | no-such-flavor  | {image}   | {network}   | 400    | gateway.flavor.not_found  | no-such-flavor |
      | {flavor}        | no-such   | {network}   | 400    | gateway.image.not_found   | no-such        |
      | {flavor}        | {image}   | no-such     | 400    | gateway.network.not_found | no-such        |
      | {small_flavor}  | {image}   | {network}   | 400    | gateway.flavor.too_small  | needs at least |

  Scenario Outline: What is not a wish for a server
    When a member calls POST /v1/servers
      """
      <body>
      """
    Then the error is 400 <code>, which says "<says>"

    Examples:
      | body                                                                                            | code                    | says     |
      | {"server":                                                                                      | gateway.request.json    | not JSON |
      |                                                                                                 | gateway.request.json    | not JSON |
      | []                                                                                              | gateway.request.invalid | body     |
      | {}                                                                                              | gateway.request.invalid | server   |
      | {"server": {}}                                                                                  | gateway.request.invalid | server   |
      | {"server": {"name": 7, "flavor": "f", "image": "i", "network": "n"}}                            | gateway.request.invalid | name     |
      | {"server": {"name": "a", "flavor": "f", "image": "i", "network": "n", "colour": "red"}}         | gateway.request.invalid | colour   |
      | {"server": {"name": "a", "flavor": "f", "image": "i", "network": "n", "count": 0}}              | gateway.request.invalid | count    |

  Scenario: User data that cloud-init would not know
    When a member calls POST /v1/servers
      """
      {"server": {"name": "a", "flavor": "{flavor}", "image": "{image}", "network": "{network}", "user_data": "hello"}}
      """
    Then the error is 400 gateway.server.user_data, which says "user_data must start with"
    And nothing is left of it in Nova, Neutron and Keystone

  Scenario: A body of another type
    When a member calls POST /v1/servers with Content-Type: text/plain
      """
      {"server": {}}
      """
    Then the error is 400 gateway.request.content_type, which says "application/json"

  @admin
  Scenario: No quota
    Given the quota of another project is 0 instances
    When a stranger calls POST /v1/servers
      """
      {"server": {"name": "too-much", "flavor": "{flavor}", "image": "{image}", "network": "{network}"}}
      """
    Then the error is 403 gateway.quota.exceeded, which says "instances"
    And nothing is left of it in Nova, Neutron and Keystone

  Scenario: A name that two servers have must be told apart by id
    When a member calls POST /v1/servers
      """
      {"server": {"name": "twins", "flavor": "{flavor}", "image": "{image}", "network": "{network}"}}
      """
    Then the answer is 202
    When a member calls POST /v1/servers
      """
      {"server": {"name": "twins", "flavor": "{flavor}", "image": "{image}", "network": "{network}"}}
      """
    Then the answer is 202
    When a member calls GET /v1/servers/twins
    Then the error is 409 gateway.server.ambiguous, which says "twins"

  Scenario: A server that is not there
    When a member calls GET /v1/servers/no-such-server
    Then the error is 404 gateway.server.not_found
    When a member calls DELETE /v1/servers/no-such-server
    Then the error is 404 gateway.server.not_found
