@servers @aio @admin
Feature: What is secret is read nowhere
  Not in logs, also with debug = true, not in the database or what it leaves in its file, not in answers, not in
  the processes of the gateway's machine or the server's.

  Background:
    Given two servers that the gateway booted
    And a gateway of the scenario's own that logs all it can, with a password that nobody else has
    And secrets in all places that take them
    And this service
      """
      service: discreet
      version: "1.0.0"
      server: {ids: ["{server_0}"], user: "{user}", private_key: "{shared_key}", trust_on_first_use: true}
      secrets: {API_KEY: "{planted_env}"}
      setup: |
        echo "the setup has $API_KEY"
        sleep 3
      files:
        app.py: |
          import http.server, os
          print("started with", os.environ["API_KEY"], flush=True)
          http.server.HTTPServer(("", int(os.environ["PORT"])), http.server.SimpleHTTPRequestHandler).serve_forever()
      command: python3 app.py
      port: 8080
      health: {path: /, interval: 1, timeout: 5}
      """

  Scenario: A deployment that succeeds, by an application credential's token
    When a member deploys it with that token
    And its step install is running
    Then no secret is in the processes of this machine
    And no secret is in the processes of its server, as others there see them
    When it has ended
    Then "deployment.status" is "succeeded"
    And no secret is in what the gateway answers
    And no secret is in the daemon's log
    And no secret is in the daemon's files
    And no secret is in the processes of its server, as others there see them
    And no secret is in the files of its server that others there may read
    When a member undeploys it
    Then no secret is in the daemon's log
    And no secret is in the daemon's files

  Scenario: A deployment that fails
    When a member deploys it with
      """
      command: sh -c 'echo "failing with $API_KEY"; exit 3'
      """
    Then it fails at health with gateway.deployment.unhealthy, which says "exited with status 3"
    And its log says "failing with ***"
    And no secret is in what the gateway answers
    And no secret is in the daemon's log
    And no secret is in the daemon's files

  Scenario: What is refused, and a server that is booted
    When a member deploys it with
      """
      secrets: {API_KEY: "{planted_env}", "not a name": "{planted_env}"}
      """
    Then the error is 400 gateway.request.invalid
    And the answer never mentions "{planted_env}"
    When a member deploys it with
      """
      server: {ids: ["{server_0}"], user: "{user}", private_key: "{planted_env}"}
      """
    Then the answer never mentions "{planted_env}"
    When a member calls POST /v1/servers with X-Auth-Token: {planted_env}
      """
      {"server": {"name": "x", "flavor": "{flavor}", "image": "{image}", "network": "{network}"}}
      """
    Then the answer is 401
    When a member calls POST /v1/servers
      """
      {"server": {"name": "x", "flavor": "no-such", "image": "{image}", "network": "{network}",
                  "user_data": "#!/bin/sh\necho {planted_env}"}}
      """
    Then the answer never mentions "{planted_env}"
    When a member calls POST /v1/servers
      """
      {"server": {"name": "x", "flavor": "{flavor}", "image": "{image}", "network": "{network}",
                  "user_data": "#!/bin/sh\necho {planted_env}"}}
      """
    Then the answer is 202
    And the answer never mentions "{planted_env}"
    And no secret is in the daemon's log
    And no secret is in the daemon's files
