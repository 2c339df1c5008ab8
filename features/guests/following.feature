Feature: The log of a deployment, followed while it is written
  Server-sent events, as browsers and every language's client know them: lines, the steps' states and the
  deployment's own; who was cut off goes on where he was.

  Background:
    Given this service
      """
      service: watched
      version: "1.0.0"
      server: {flavor: "{flavor}", image: "{image}", network: "{network}"}
      command: python3 -m http.server $PORT
      port: 8080
      """

  Scenario: From the first step until nothing is left
    When a member deploys it
    And a member listens to /v1/deployments/{deployment}/log?follow=true
    Then it hears status with status pending
    And it hears step with state running
    When it has heard step with step boot
    And a member listens to /v1/deployments/{deployment}/log again, after event 3
    And a member calls DELETE /v1/deployments/{deployment}
    Then the answer is 202
    And it hears status with status deleting
    And the stream ends
    And its last event is end with status deleted
    And no event came twice or out of order
    And it has heard all the rest, and nothing twice
    And nothing is left of it in Nova, Neutron and Keystone

  Scenario: On the command line
    Given the command line may make things
    When a member deploys it with
      """
      command: echo out of luck; exit 3
      """
    And I run gateway deployment log --follow {deployment}
    Then it exits with 0
    And it prints "boot #0 running"
    And it prints "out of luck"
    And it prints "watched 1.0.0 failed at health"

  Scenario Outline: What cannot be followed so
    When a member deploys it
    And a member calls GET /v1/deployments/{deployment}/log<query>
    Then the error is 400 gateway.request.<code>
    And its field is "<field>"

    Examples:
      | query                   | code      | field  |
      | ?follow=perhaps         | invalid   | follow |
      | ?follow=true&marker=x   | invalid   | marker |
      | ?marker=-5              | invalid   | marker |
      | ?limit=0                | invalid   | limit  |
      | ?since=yesterday        | parameter | since  |

  @aio
  Scenario: Another project's is not there
    When a member deploys it
    And a stranger calls GET /v1/deployments/{deployment}/log?follow=true
    Then the error is 404 gateway.deployment.not_found
    When a member calls GET /v1/deployments/{deployment}/log?follow=true with Last-Event-ID: yesterday
    Then the error is 400 gateway.request.last_event_id
