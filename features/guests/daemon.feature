Feature: A daemon that can be stopped, reloaded, and killed
  What it was asked for does not get lost, and is not done twice.

  Scenario: SIGTERM lets a request under way end
    Given a gateway of the scenario's own
    And a web service slow whose health check is answered slowly
    When a member begins to register slow
    And the daemon is told to stop
    And the health check of slow comes to its end
    Then the request that was begun is answered 201
    And the daemon ends with 0

  Scenario: SIGHUP reads the configuration again
    Given a gateway of the scenario's own
    When its configuration becomes [api] max_limit = 1
    And the daemon is told to reload
    Then soon "flavors_links.0.rel" of GET /v1/flavors is "next"
    And the daemon still runs

  Scenario: A daemon that cannot start says why in one line
    When I start a gatewayd whose port is taken
    Then it ends with 1 and says "in use"

  Scenario: What is registered is still there after a restart
    Given a gateway of the scenario's own
    And a web service durable whose health check is answered 200
    When a member registers durable
    Then the answer is 201
    When the daemon is killed
    And the daemon is started again
    And a member calls GET /registry/service/durable-0
    Then the answer is 200
    And "status" is "passing"
    When a member calls GET /registry/service/types/durable/best
    Then the answer is 200

  Scenario Outline: Killed in the middle of a deployment, it goes on where it was
    Given a gateway of the scenario's own
    And this service
      """
      service: survivor
      version: "1.0.0"
      server: {flavor: "{flavor}", image: "{image}", network: "{network}"}
      command: python3 -m http.server $PORT
      port: 8080
      health: {path: /, interval: 1, timeout: 5}
      """
    When a member deploys it
    And its step <step> is running
    And the daemon is killed
    And the daemon is started again
    And it has ended
    Then it answers / with "Directory listing"
    And Nova has 1 server of it
    When a member calls GET /registry/service/types/survivor
    Then the answer is 200
    And "services" are 1
    When a member undeploys it
    Then nothing is left of it in Nova, Neutron and Keystone

    Examples:
      | step |
      | ssh  |
