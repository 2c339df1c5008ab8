Feature: One release after the other, without a gap
  A deployment of a service that runs is its next release: put beside the old one, switched batch by batch, and taken
  back by itself where it does not pass.

  Background:
    Given this service
      """
      service: shop
      version: "1.0"
      server: {ids: ["{server_0}", "{server_1}"]}
      files:
        app.py: |
          import http.server, os, time
          class Shop(http.server.BaseHTTPRequestHandler):
              def do_GET(self):
                  self.send_response(200)
                  self.end_headers()
                  self.wfile.write(f"shop {os.environ['VERSION']}".encode())
              def log_message(self, *args):
                  pass
          http.server.ThreadingHTTPServer(("", int(os.environ["PORT"])), Shop).serve_forever()
      command: python3 app.py
      env: {VERSION: "1.0"}
      port: 8080
      health: {path: /, interval: 1, timeout: 5}
      update: {drain: 2, ramp: 1}
      """

  @servers
  Scenario: An update under load, one that fails, and the way back
    Given two servers that the gateway booted
    When a member deploys it
    Then it succeeds
    And "deployment.release" is 1
    And its security group opens tcp 22 and 8080
    Given 4 clients that ask for the best shop and call it all the time

    When a member deploys it with
      """
      version: "2.0"
      env: {VERSION: "2.0"}
      port: 8082
      weight: 4
      """
    Then the answer is 202
    And its header Location has "/v1/deployments/{deployment}"
    When a member calls POST /v1/deployments/{deployment}/rollback
      """
      {}
      """
    Then the error is 409 gateway.deployment.in_progress, which says "shop"
    And what is under way succeeds
    And "deployment.release" is 2
    And each of its steps says the request that caused it
    And 2 of them answer / with "shop 2.0"
    And its security group opens tcp 22 and 8082
    And no client has seen an error
    And the clients have seen "shop 1.0" and "shop 2.0"
    When a member calls GET /registry/service/types/shop
    Then the answer is 200
    And "services" are 2
    And every one of "services" has version "2.0"
    And every one of "services" has status "passing"

    When a member deploys it with
      """
      version: "3.0"
      command: echo the shop is closed; exit 4
      """
    Then it is rolled back at health with gateway.deployment.unhealthy, which says "exited with status 4"
    And "deployment.release" is 2
    And its fault shows the journal with "the shop is closed"
    And its fault shows the console
    And 2 of them answer / with "shop 2.0"
    And its security group opens tcp 22 and 8082
    And neither its log nor the daemon's mentions "is not well"
    And no client has seen an error

    When a member calls POST /v1/deployments/{deployment}/rollback
      """
      {}
      """
    Then the answer is 202
    And it succeeds
    And 2 of them answer / with "shop 1.0"
    And its log says "start 1.0-1"
    And its log says "closes tcp 8082"
    And its security group opens tcp 22 and 8080
    And no client has seen an error
    When a member calls GET /v1/deployments/{deployment}
    Then the answer is 200
    And one of "deployment.releases" has state "current"
    And one of "deployment.releases" has state "failed"
    And one of "deployment.releases" has state "old"
    When a member calls POST /v1/deployments/{deployment}/rollback
      """
      {"release": 3}
      """
    Then the error is 409 gateway.deployment.no_release, which says "failed"
    When a member calls POST /v1/deployments/{deployment}/rollback
      """
      {"release": 99}
      """
    Then the error is 409 gateway.deployment.no_release, which says "99"

  @servers
  Scenario: From one server to two and back to the other
    Given two servers that the gateway booted
    When a member deploys it with
      """
      server: {ids: ["{server_0}"]}
      """
    Then it succeeds
    When a member deploys it
    Then it succeeds
    And its steps are security_group, server, ssh, upload, install, start, health, register
    And 2 of them answer / with "shop 1.0"
    When a member deploys it with
      """
      server: {ids: ["{server_1}"]}
      """
    Then it succeeds
    And its steps are security_group, drain, remove
    And 1 of them answer / with "shop 1.0"
    And nothing answers on port 8080 of server 0
    When a member calls GET /registry/service/types/shop
    Then the answer is 200
    And "services" are 1

  @servers
  Scenario: What is canceled is taken back
    Given two servers that the gateway booted
    When a member deploys it with
      """
      server: {ids: ["{server_0}"]}
      """
    Then it succeeds
    When a member calls POST /v1/deployments/{deployment}/cancel
    Then the error is 409 gateway.deployment.not_running, which says "succeeded"
    When a member deploys it with
      """
      server: {ids: ["{server_0}"]}
      version: "1.1"
      setup: sleep 20
      """
    And its step install is running
    And a member calls POST /v1/deployments/{deployment}/cancel
    Then the answer is 202
    And it is rolled back at cancel with gateway.deployment.canceled, which says "Canceled"
    And 1 of them answer / with "shop 1.0"

  @servers
  Scenario: A first deployment that is canceled leaves nothing
    Given two servers that the gateway booted
    When a member deploys it with
      """
      service: unwanted
      server: {ids: ["{server_0}"]}
      setup: sleep 20
      """
    And its step install is running
    And a member calls POST /v1/deployments/{deployment}/cancel
    Then it fails at cancel with gateway.deployment.canceled, which says "Canceled"
    And nothing answers on port 8080 of server 0

  Scenario: More new servers, and fewer
    When a member deploys it with
      """
      service: grow
      server: {flavor: "{flavor}", image: "{image}", network: "{network}"}
      """
    Then it succeeds
    And Nova has 1 server of it
    When a member deploys it with
      """
      service: grow
      server: {flavor: "{flavor}", image: "{image}", network: "{network}"}
      replicas: 2
      version: "1.1"
      env: {VERSION: "1.1"}
      """
    Then it succeeds
    And 2 of them answer / with "shop 1.1"
    And Nova has 2 servers of it
    When a member deploys it with
      """
      service: grow
      server: {flavor: "{flavor}", image: "{image}", network: "{network}"}
      replicas: 1
      version: "1.1"
      env: {VERSION: "1.1"}
      """
    Then it succeeds
    And 1 of them answer / with "shop 1.1"
    And Nova has 1 server of it
    When a member deploys it with
      """
      service: grow
      server: {flavor: "{small_flavor}", image: "{image}", network: "{network}"}
      """
    Then the error is 400 gateway.flavor.too_small
    When a member deploys it with
      """
      service: grow
      server: {flavor: "{flavor}", image: "{image}", network: "{network}", user: root}
      """
    Then the error is 409 gateway.deployment.server_changed, which says "server.user"
    And its field is "deployment.server.user"
    When a member undeploys it
    Then nothing is left of it in Nova, Neutron and Keystone

  @servers
  Scenario: The same call made twice is made once
    Given two servers that the gateway booted
    When a member deploys it with the key once-only
    Then the answer is 202
    And "deployment.id" is remembered as first
    When a member deploys it with the key once-only
    Then the answer is 202
    And "deployment.id" is "{first}"
    And "deployment.release" is 1
    When a member deploys it
    Then the error is 409 gateway.deployment.in_progress, which says "{first}"
    When a member deploys it as version 9 with the key once-only
    Then the error is 409 gateway.request.idempotency_key, which says "once-only"
    And what is under way succeeds

  Scenario Outline: A release that is no good
    When a member calls POST /v1/deployments/0b9e6d0e-0000-4000-8000-000000000000/rollback
      """
      <body>
      """
    Then the error is <status> <code>

    Examples:
      | body               | status | code                         |
      | {}                 | 404    | gateway.deployment.not_found |
      | {"release": 0}     | 400    | gateway.request.invalid      |
      | {"release": "one"} | 400    | gateway.request.invalid      |
      | {"colour": "red"}  | 400    | gateway.request.invalid      |

  Scenario: Nothing there to be canceled
    When a member calls POST /v1/deployments/0b9e6d0e-0000-4000-8000-000000000000/cancel
    Then the error is 404 gateway.deployment.not_found

  Scenario Outline: An update that cannot be
    When a member deploys it with
      """
      server: {flavor: "{flavor}", image: "{image}", network: "{network}"}
      <change>
      """
    Then the error is 400 gateway.request.invalid, which says "<says>"

    Examples:
      | change                      | says          |
      | update: {batch: 0}          | update.batch  |
      | update: {batch: 101%}       | update.batch  |
      | update: {batch: half}       | update.batch  |
      | update: {pause: -1}         | update.pause  |
      | update: {drain: 3601}       | update.drain  |
      | update: {ramp: soon}        | update.ramp   |
      | update: {colour: red}       | update        |
      | heal: {after: 0}            | heal.after    |
      | heal: {max_unhealthy: 0}    | heal.max      |
      | heal: {colour: red}         | heal          |
