Feature: Health checks of what runs on servers
  A command on the server may be the check; and what Nova knows of a server explains its instance, or takes it away.

  Background:
    Given this service
      """
      service: watched
      version: "1.0.0"
      server: {flavor: "{flavor}", image: "{image}", network: "{network}"}
      command: python3 -m http.server $PORT
      port: 8080
      health: {path: /, interval: 2, timeout: 5, failures_before_critical: 100}
      """

  @aio
  Scenario: A stopped server explains its instance, a deleted one takes it away
    When a member deploys it
    Then it succeeds
    When its server is stopped in Nova
    Then soon "status" of GET /registry/service/watched-0 is "critical"
    And soon "output" of GET /registry/service/watched-0 says "its server is SHUTOFF in Nova"
    When its server is deleted in Nova
    Then soon GET /registry/service/watched-0 answers 404
    When a member undeploys it
    Then nothing is left of it in Nova, Neutron and Keystone

  @servers
  Scenario: A command on the server is the check
    Given two servers that the gateway booted
    When a member deploys it with
      """
      server: {ids: ["{server_0}"]}
      health: {kind: ssh, command: "test -e /tmp/ready && echo ready", interval: 2, timeout: 20, failures_before_critical: 1}
      setup: touch /tmp/ready
      """
    Then it succeeds
    And soon "readings.0.output" of GET /registry/service/watched-0/readings is "ready"
    When its server does "rm /tmp/ready"
    Then soon "status" of GET /registry/service/watched-0 is "critical"
    And "output" is "exit status 1"

  @aio @servers
  Scenario: An instance may be where its project's servers are, and nowhere else
    Given two servers that the gateway booted
    And a gateway of the scenario's own with [registry] allowed_networks = 192.0.2.0/24
    When a member registers port 22 of server 0 as ours
    Then the answer is 201
    When a stranger registers port 22 of server 0 as ours
    Then the error is 400 gateway.registry.host_foreign, which says "no address of a server of this project"
    When a member calls POST /registry/service
      """
      {"proto": "http", "type": "elsewhere", "host": "{here}", "port": 22, "check": {"kind": "tcp"}}
      """
    Then the error is 400 gateway.registry.host_foreign, which says "{here}"
