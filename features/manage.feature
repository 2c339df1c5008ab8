Feature: The operator's command
  `gateway-manage`, with the daemon's own configuration, while it runs.

  Scenario: Whether the database is up to date
    Given a gateway of the scenario's own
    When I run gateway-manage db check
    Then it exits with 0
    And it prints "as it should"
    When the daemon is told to stop
    And its database is a new one
    And I run gateway-manage db check
    Then it exits with 1
    And its error is one line that says "Run: gateway-manage db upgrade"
    When I run gateway-manage sweep
    Then it exits with 1
    And its error is one line that says "Run: gateway-manage db upgrade"
    When I run gateway-manage db upgrade
    Then it exits with 0
    When I run gateway-manage db check
    Then it exits with 0

  Scenario: What stands in the way of this release
    Given a gateway of the scenario's own
    When I run gateway-status upgrade check
    Then it exits with 0
    And it prints "Check: Database"
    And it prints "Result: Success"
    When the daemon is told to stop
    And its database is of the release with schema 0014
    And I run gateway-status upgrade check
    Then it exits with 1
    And it prints "Its schema is at 0014; gateway-manage db upgrade"
    When others may read its keys
    And I run gateway-status upgrade check
    Then it exits with 2
    And it prints "Make it 0700"

  Scenario: New keys for the secrets, without a restart
    Given a gateway of the scenario's own
    When a member calls POST /registry/tokens
      """
      {"type": "sealed"}
      """
    Then the answer is 201
    And its database has 1 sealed signing key
    When I run gateway-manage secrets rotate
    Then it exits with 0
    And it prints "Key 1 is new; 1 secrets are sealed anew"
    When I run gateway-manage secrets prune
    Then it exits with 0
    And it prints "none; 2 left"
    When I run gateway-manage secrets prune --min-age 0
    Then it exits with 0
    And it prints "Keys removed: 0; 1 left"
    When a member calls POST /registry/tokens
      """
      {"type": "sealed"}
      """
    Then the answer is 201
    When the daemon is killed
    And the daemon is started again
    And a member calls POST /registry/tokens
      """
      {"type": "sealed"}
      """
    Then the answer is 201
    And its database has 1 sealed signing key

  Scenario: Nothing has leaked, and there is no deployment
    Given a gateway of the scenario's own
    When I run gateway-manage sweep -f json
    Then it exits with 0
    And it prints "[]"
    When I run gateway-manage deployment list --all-projects -f json
    Then it exits with 0
    And it prints "[]"

  Scenario: A trust whose deployment has never been stored
    As when the daemon dies just between the two.

    Given a gateway of the scenario's own with [DEFAULT] role = api
    And this service
      """
      service: unborn
      version: "1.0.0"
      server: {flavor: "{flavor}", image: "{image}", network: "{network}"}
      command: python3 -m http.server $PORT
      port: 8080
      """
    When a member deploys it
    Then the answer is 202
    When I run gateway-manage sweep -f json
    Then it exits with 0
    And it prints "[]"
    When the daemon is killed
    And its database forgets the deployment
    And I run gateway-manage sweep
    Then it exits with 0
    And it prints "| trust "
    And it prints "{deployment}"
    When I run gateway-manage sweep --delete --wait 0
    Then it exits with 0
    And it prints "| trust "
    And Keystone no longer has the trust of the forgotten deployment
    When I run gateway-manage sweep -f json
    Then it prints "[]"
    When the daemon is started again

  Scenario: The sweep deletes nothing while OpenStack cannot be asked
    Given a gateway of the scenario's own
    When its configuration becomes [keystone_authtoken] auth_url = http://127.0.0.1:9/v3
    And I run gateway-manage sweep --delete --wait 0
    Then it exits with 1
    And its error is one line that says "cannot be reached"

  Scenario: Keys that others could read are refused
    Given a gateway of the scenario's own
    When others may read its keys
    And I run gateway-manage secrets rotate
    Then it exits with 1
    And its error is one line that says "Make it 0700"
    When the daemon is told to stop
    And I start its daemon anew
    Then it ends with 1 and says "Make it 0700"

  Scenario Outline: An error is one line
    Given a gateway of the scenario's own
    When I run gateway-manage <arguments>
    Then it exits with <code>
    And its error ends with one line that says "<says>"

    Examples:
      | arguments                                                     | code | says             |
      | --config-file /no/such.conf db check                          | 1    | /no/such.conf    |
      | deployment reset 0b9e6d0e-0000-4000-8000-000000000000         | 1    | There is no      |
      | deployment reset                                              | 2    | required: ID     |
      | deployment reset x --state running                            | 2    | invalid choice   |
      | deployment list --project x --all-projects                    | 2    | not allowed with |
      | sweep --wait -1                                               | 2    | 0 or more        |
      | secrets prune --min-age soon                                  | 2    | --min-age        |
