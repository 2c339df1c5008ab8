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

  Scenario: Killed when Nova has just booted the server, it goes on where it was
    Given a gateway of the scenario's own that dies when it is told to
    And this service
      """
      service: survivor
      version: "1.0.0"
      server: {flavor: "{flavor}", image: "{image}", network: "{network}"}
      command: python3 -m http.server $PORT
      port: 8080
      health: {path: /, interval: 1, timeout: 5}
      """
    When the daemon is to die in the middle of its step boot of target 0
    And a member deploys it
    And the daemon has died
    And the daemon is started again
    Then what is under way succeeds
    And it answers / with "Directory listing"
    And Nova has 1 server of it
    When a member calls GET /registry/service/types/survivor
    Then the answer is 200
    And "services" are 1
    When a member undeploys it
    Then nothing is left of it in Nova, Neutron and Keystone

  @servers
  Scenario: Killed while the second batch is switched to the next release
    Given two servers that the gateway booted
    And the key that opens the two servers
    And a gateway of the scenario's own that dies when it is told to
    And this service
      """
      service: survivor
      version: "1.0.0"
      server: {ids: ["{server_0}", "{server_1}"], user: "{user}", private_key: "{shared_key}"}
      files: {index.html: "one"}
      command: python3 -m http.server $PORT
      port: 8080
      health: {path: /, interval: 1, timeout: 5}
      update: {drain: 1, ramp: 1}
      """
    When a member deploys it
    Then it succeeds
    When the daemon is to die in the middle of its step start of target 1
    And a member deploys it with
      """
      version: "2.0.0"
      files: {index.html: "two"}
      """
    And the daemon has died
    And the daemon is started again
    Then what is under way succeeds
    And 2 of them answer / with "two"
    When a member calls GET /registry/service/types/survivor
    Then the answer is 200
    And "services" are 2
    And every one of "services" has version "2.0.0"

  @servers
  Scenario: Killed while a release that does not work is taken back
    Given two servers that the gateway booted
    And the key that opens the two servers
    And a gateway of the scenario's own that dies when it is told to
    And this service
      """
      service: survivor
      version: "1.0.0"
      server: {ids: ["{server_0}"], user: "{user}", private_key: "{shared_key}"}
      files: {index.html: "one"}
      command: python3 -m http.server $PORT
      port: 8080
      health: {path: /, interval: 1, timeout: 5}
      """
    When a member deploys it
    Then it succeeds
    When the daemon is to die in the middle of taking back its step drain of target 0
    And a member deploys it with
      """
      version: "2.0.0"
      command: exit 3
      """
    And the daemon has died
    And the daemon is started again
    Then it is rolled back at health with gateway.deployment.unhealthy, which says "status 3"
    And 1 of them answer / with "one"
    And neither its log nor the daemon's mentions "is not well"
