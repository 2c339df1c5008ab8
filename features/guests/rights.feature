@servers
Feature: Whose rights a deployment has
  The request's token is good for the request. What goes on after it has rights of its own, which go with the
  deployment.

  Background:
    Given two servers that the gateway booted
    And this service
      """
      service: lasting
      version: "1.0.0"
      server: {ids: ["{server_0}"]}
      files: {index.html: still here}
      command: python3 -m http.server $PORT
      port: 8080
      health: {path: /, interval: 1, timeout: 5}
      """

  Scenario: A token that is revoked right after the request
    Given a token of a member's, to be used once
    When a member deploys it with that token, which is revoked at once
    Then the answer is 202
    And it succeeds
    And it answers / with "still here"
    When a member undeploys it
    Then it no longer answers
    And nothing is left of it in Nova, Neutron and Keystone

  @aio
  Scenario: An application credential that is unrestricted
    Given the token of an unrestricted application credential of a member's
    When a member deploys it with that token, and then deletes the application credential
    Then the answer is 202
    And it succeeds
    And it answers / with "still here"
    And the gateway keeps an application credential of the member's own roles, restricted
    When a member undeploys it
    Then it no longer answers
    And nothing is left of it in Nova, Neutron and Keystone
    And the gateway keeps no application credential

  @aio
  Scenario: An application credential that is restricted
    Given the token of a restricted application credential of a member's
    When a member deploys it with that token
    Then the error is 403 gateway.trust.refused, which says "--unrestricted"
    And nothing is left of it in Nova, Neutron and Keystone

  @aio
  Scenario: A token that comes from a trust
    Given the token of a trust that a member gave
    When a member deploys it with that token
    Then the error is 403 gateway.trust.refused, which says "password"
