Feature: What is left behind is found, and deleted at second sight
  An old backup of the database is restored, say: the gateway no longer knows a deployment, but OpenStack has
  its server, its floating IP, its security group and its trust.

  Background:
    Given a gateway of the scenario's own with [engine] sweep_interval = 0
    And this service
      """
      service: forgotten
      version: "1.0.0"
      server: {flavor: "{flavor}", image: "{image}", network: "{network}"}
      command: python3 -m http.server $PORT
      port: 8080
      """

  @aio
  Scenario: The operator looks, then deletes; what is another's stays
    When a member deploys it
    And its step ssh is running
    And "deployment.id" is remembered as theirs
    Given a gateway of the scenario's own with [engine] sweep_interval = 0
    When a member calls POST /v1/servers
      """
      {"server": {"name": "mine", "flavor": "{flavor}", "image": "{image}", "network": "{network}"}}
      """
    Then the answer is 202
    And "server.id" is remembered as mine
    When a member deploys it with
      """
      server: {flavor: "{flavor}", image: "{image}", network: "{private_network}", floating_network: "{floating_network}"}
      """
    And its step ssh is running
    And I run gateway-manage sweep -f json
    Then it exits with 0
    And it prints "[]"
    When the daemon is killed
    And its database forgets the deployment
    And I run gateway-manage sweep
    Then it exits with 0
    And it prints a table with the columns Kind, ID, Name, Project, Deployment and Seen Since
    And it prints "| floating_ip "
    And it prints "| server "
    And it prints "| security_group "
    And it prints "| trust "
    And it prints "{deployment}"
    And it does not print "{theirs}"
    And OpenStack has a server, a floating IP and a security group of {deployment}
    When I run gateway-manage sweep --delete --wait 1
    Then it exits with 0
    And it prints "| security_group "
    And OpenStack has nothing of {deployment}
    And OpenStack has a server and a security group of {theirs}
    And Nova has the server {mine}
    When I run gateway-manage sweep -f json
    Then it prints "[]"
    And Keystone no longer has the trust of the forgotten deployment
    When the daemon is started again

  Scenario: The daemon does so by itself
    When a member deploys it
    And its step ssh is running
    And the daemon is killed
    And its database forgets the deployment
    And its configuration becomes [engine] sweep_interval = 2
    And the daemon is started again
    Then OpenStack soon has nothing of {deployment}
    And its daemon's log says "Swept: server"
    And its daemon's log says "Swept: trust"
    And Keystone no longer has the trust of the forgotten deployment
