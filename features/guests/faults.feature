Feature: OpenStack fails while a deployment is under way
  The gateway of these scenarios meets the real Nova and Neutron through proxies, in a region of its own.

  Background:
    Given a gateway of the scenario's own whose Nova and Neutron can fail
    And this service
      """
      service: unlucky
      version: "1.0.0"
      server: {flavor: "{flavor}", image: "{image}", network: "{network}"}
      command: python3 -m http.server $PORT
      port: 8080
      health: {path: /, interval: 1, timeout: 5}
      """

  @aio @admin
  Scenario: Nova's answer gets lost when the server is booted, and Nova fails while that is waited for
    Given Nova cuts the connection of the first POST /servers once it is carried out
    And Nova answers 500 to GET /servers/ID 1 times
    And Nova answers 502 to GET /servers/ID 1 times
    When a member deploys it
    Then it succeeds
    And Nova has failed as it was told to
    And Nova has 1 server of it
    When a member undeploys it
    Then nothing is left of it in Nova, Neutron and Keystone

  @aio @admin
  Scenario: Nova is away while a deployment is taken back
    When a member deploys it
    And its step ssh is running
    And Nova is away
    And a member asks to undeploy it
    Then soon its log says "cannot be reached; try again. Trying again in 2 s."
    And soon its log says "cannot be reached; try again. Trying again in 4 s."
    When a member calls GET /v1/deployments/{deployment}
    Then the answer is 200
    And "deployment.status" is "deleting"
    And OpenStack has a server and a security group of {deployment}
    When Nova is back
    And it is gone
    Then nothing is left of it in Nova, Neutron and Keystone
    And OpenStack has nothing of {deployment}

  @aio @admin
  Scenario: The quota that sufficed is gone when Nova is asked to boot
    Given the quota of another project falls to 0 cores before Nova gets POST /servers
    When a stranger deploys it
    Then it fails at boot with gateway.quota.exceeded, which says "cores"
    And nothing is left of it in Nova, Neutron and Keystone

  @aio @admin
  Scenario: Neutron's answer gets lost when the floating IP is made
    Given Neutron cuts the connection of the first POST /floatingips once it is carried out
    When a member deploys it with
      """
      server:
        flavor: "{flavor}"
        image: "{image}"
        network: "{private_network}"
        floating_network: "{floating_network}"
      """
    Then it succeeds
    And Neutron has failed as it was told to
    And OpenStack has a server, a floating IP and a security group of {deployment}
    When a member undeploys it
    Then nothing is left of it in Nova, Neutron and Keystone

  @aio @admin
  Scenario: Neutron makes no floating IP
    Given Neutron answers 500 to POST /floatingips
    When a member deploys it with
      """
      server:
        flavor: "{flavor}"
        image: "{image}"
        network: "{private_network}"
        floating_network: "{floating_network}"
      """
    Then it fails at address with gateway.cloud.failed, which says "HTTP 500"
    And active, boot, security_group and quota were taken back in this order
    And Nova has 0 servers of it
    And nothing is left of it in Nova, Neutron and Keystone
