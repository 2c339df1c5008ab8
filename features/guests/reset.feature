Feature: An operator's way out of a deployment that is stuck

  Background:
    Given this service
      """
      service: stuck
      version: "1.0.0"
      server: {flavor: "{flavor}", image: "{image}", network: "{network}"}
      command: python3 -m http.server $PORT
      port: 8080
      """

  Scenario: Its state is set by hand, and what may be left is told
    Given a gateway of the scenario's own
    When a member deploys it
    And its step ssh is running
    And I run gateway-manage deployment reset {deployment}
    Then it exits with 1
    And its error is one line that says "right now"
    When the daemon is killed
    And I run gateway-manage deployment reset {deployment} --state failed
    Then it exits with 0
    And it prints "may be left"
    When I run gateway-manage deployment list
    Then it exits with 0
    And it prints "failed"
    When the daemon is started again
    And a member calls GET /v1/deployments/{deployment}
    Then the answer is 200
    And "deployment.status" is "failed"
    And its log says "An operator set running to failed."
    When I run gateway-manage deployment reset {deployment}
    Then it exits with 1
    And its error is one line that says "not stuck"
    When a member undeploys it
    Then nothing is left of it in Nova, Neutron and Keystone
    And OpenStack has nothing of {deployment}

  Scenario: The engine takes it back, also while it is at work where that is forced
    Given a gateway of the scenario's own
    When a member deploys it
    And its step ssh is running
    And I run gateway-manage deployment reset {deployment} --force
    Then it exits with 0
    And it prints "running is now deleting"
    When it is gone
    Then OpenStack has nothing of {deployment}
