Feature: From an image to a running, registered service in one call
  Pick, boot, deploy, register, check, find the best instance: asked for once, watched step by step, taken back
  by one DELETE.

  Background:
    Given this service
      """
      service: greeter
      version: "1.0.0"
      server: {flavor: "{flavor}", image: "{image}", network: "{network}"}
      files:
        app.py: |
          import http.server, os
          class Greeter(http.server.BaseHTTPRequestHandler):
              def do_GET(self):
                  known = {"/": os.environ["GREETING"], "/health": "well", "/token": os.environ.get("TOKEN", "none"),
                           "/made": open("made").read() if os.path.exists("made") else "nothing"}
                  text = known.get(self.path)
                  self.send_response(200 if text else 404)
                  self.end_headers()
                  self.wfile.write((text or "lost").encode())
          http.server.ThreadingHTTPServer(("", int(os.environ["PORT"])), Greeter).serve_forever()
      command: python3 app.py
      env: {GREETING: hello}
      port: 8080
      routes: ["/", "/token"]
      health: {path: /health, interval: 1, timeout: 5, success_before_passing: 1, failures_before_critical: 2}
      """

  Scenario: On a new server, to be found as the best instance
    When a member deploys it
    Then the answer is 202
    And "deployment.status" is "pending"
    And its header Location has "/v1/deployments/{deployment}"
    And it succeeds
    And its steps are quota, security_group, boot, active, ssh, upload, install, start, health, register
    And each of its steps has its times and says what it did
    And "deployment.instances.0.trust" is "injected"
    And "deployment.instances.0.instance" is "greeter-0"
    And it answers / with "hello"
    When a member calls GET /registry/service/types/greeter/best
    Then the answer is 200
    And "host" is where it runs
    And "proto" is "http"
    And "routes" is ["/", "/token"]
    And "health" is "/health"
    When a member calls GET /v1/deployments
    Then the answer is 200
    And one of "deployments" has id "{deployment}"
    When a member calls GET /v1/deployments/{deployment}/log
    Then the answer is 200
    And each of "log" has at, step, target and text
    When a member calls DELETE /v1/deployments/{deployment}
    Then the answer is 202
    When a member undeploys it
    And a member calls GET /v1/deployments/{deployment}
    Then the error is 404 gateway.deployment.not_found
    When a member calls GET /registry/service/types/greeter/best
    Then the error is 404 gateway.registry.type_not_found
    And nothing is left of it in Nova, Neutron and Keystone

  @aio
  Scenario: On a private network, with a floating IP
    When a member deploys it with
      """
      service: afloat
      server: {flavor: "{flavor}", image: "{image}", network: "{private_network}", floating_network: "{floating_network}"}
      """
    Then it succeeds
    And its steps are quota, security_group, boot, active, address, ssh, upload, install, start, health, register
    And it answers / with "hello"
    When a member calls GET /v1/servers/{server}
    Then the answer is 200
    And one of "server.addresses" has type "fixed"
    And one of "server.addresses" has address "{address}"
    And one of "server.addresses" has type "floating"
    When a member undeploys it
    Then nothing is left of it in Nova, Neutron and Keystone

  @servers
  Scenario: On servers that are there, which stay when it goes
    Given two servers that the gateway booted
    When a member deploys it with
      """
      service: pair
      server: {ids: ["{server_0}", "{server_1}"]}
      replicas: 2
      """
    Then it succeeds
    And 2 of them answer / with "hello"
    When a member calls GET /registry/service/types/pair
    Then the answer is 200
    And "services" are 2
    When a member calls GET /registry/service/pair-1
    Then the answer is 200
    When a member undeploys it
    Then it no longer answers
    And Nova has the server {server_0}
    And Nova has the server {server_1}
    And nothing is left of it in Nova, Neutron and Keystone

  @aio
  Scenario: On a server made elsewhere, with its key, and the host key that it printed on its console
    Given a private key that no server knows
    And a server that Nova booted with that key, without the gateway
    When a member deploys it with
      """
      service: guest
      server: {ids: ["{foreign_server}"], user: debian, private_key: "{private_key}"}
      """
    Then it succeeds
    And "deployment.instances.0.trust" is "console"
    And it answers / with "hello"
    And neither its log nor the daemon's mentions "BEGIN OPENSSH"
    When a member undeploys it
    Then Nova has the server {foreign_server}

  @servers
  Scenario: Everything that a service can bring along
    Given two servers that the gateway booted
    When a member uploads a tar.gz with notes.txt
      """
      from the artifact
      """
    Then the answer is 201
    Given "artifact.id" is remembered as artifact
    When a member deploys it with
      """
      service: laden
      server: {ids: ["{server_0}"]}
      artifact: "{artifact}"
      setup: |
        echo setting up with $GREETING
        cat notes.txt > made
      env: {GREETING: "it's \"me\" & $you"}
      secrets: {TOKEN: correct-horse-battery-staple}
      """
    Then it succeeds
    And it answers / with "it's "me" & $you"
    And it answers /made with "from the artifact"
    And it answers /token with "correct-horse-battery-staple"
    And its log says "setting up with it's "me" & $you"
    When a member calls GET /v1/deployments/{deployment}
    Then the answer is 200
    And the answer never mentions "correct-horse-battery-staple"
    And neither its log nor the daemon's mentions "correct-horse-battery-staple"

  @servers
  Scenario: A service that dies is no longer the best
    Given two servers that the gateway booted
    When a member deploys it with
      """
      service: mortal
      server: {ids: ["{server_0}", "{server_1}"]}
      replicas: 2
      """
    Then it succeeds
    When its service on server 0 is stopped over SSH
    Then within 30 seconds GET /registry/service/types/mortal/best answers 200 ten times with another host

  @servers @aio
  Scenario: Another project's deployment is nobody's business
    Given two servers that the gateway booted
    When a member deploys it with
      """
      service: private
      server: {ids: ["{server_1}"]}
      """
    Then it succeeds
    When a stranger calls GET /v1/deployments
    Then the answer is 200
    And "deployments" are 0
    When a stranger calls GET /v1/deployments/{deployment}
    Then the error is 404 gateway.deployment.not_found
    When a stranger calls GET /v1/deployments/{deployment}/log
    Then the error is 404 gateway.deployment.not_found
    When a stranger calls DELETE /v1/deployments/{deployment}
    Then the error is 404 gateway.deployment.not_found
    When a stranger calls GET /registry/service/private-0
    Then the error is 404 gateway.registry.instance_not_found
    And it answers / with "hello"

  @servers @aio
  Scenario: Nobody deploys to another project's server
    Given two servers that the gateway booted
    When a stranger deploys it with
      """
      server: {ids: ["{server_0}"]}
      """
    Then the error is 400 gateway.server.not_found, which says "{server_0}"
