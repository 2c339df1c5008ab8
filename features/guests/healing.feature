Feature: Servers that die are replaced
  Only where the deployment asks for it, one at a time, and only with Nova's word that the server is dead.

  Scenario: A server that Nova has stopped gets another one in its place
    Given a gateway of the scenario's own with [engine] heal_interval = 1
    And this service
      """
      service: phoenix
      version: "1.0"
      server: {flavor: "{flavor}", image: "{image}", network: "{network}"}
      command: python3 -m http.server $PORT
      port: 8080
      health: {path: /, interval: 1, timeout: 2, failures_before_critical: 2}
      heal: {after: 5}
      """
    When a member deploys it
    Then it succeeds
    And "deployment.instances.0.server_id" is remembered as dead
    And "deployment.request_id" is remembered as asked
    When its server is stopped in Nova
    Then within 120 seconds its server is another than {dead}
    And what is under way succeeds
    And its steps are security_group, replace, boot, active, ssh, upload, install, start, health, register
    And "deployment.request_id" is not "{asked}"
    And 1 of them answer / with "Directory listing"
    And its log says "is SHUTOFF: it gets another one in its place"
    And Nova has 1 server of it
    When a member calls GET /registry/service/types/phoenix/best
    Then the answer is 200
    When a member undeploys it
    Then nothing is left of it in Nova, Neutron and Keystone

  @servers
  Scenario: Only servers that the gateway boots are replaced
    Given two servers that the gateway booted
    And this service
      """
      service: mortal
      version: "1.0"
      server: {ids: ["{server_0}"]}
      command: python3 -m http.server $PORT
      port: 8080
      heal: {after: 5}
      """
    When a member deploys it
    Then the error is 400 gateway.deployment.heal, which says "boots"
    And its field is "deployment.heal"
