@servers @admin @databases
Feature: A deployment has the credentials of the services that it binds, and gets new ones without a gap

  Background:
    Given two servers that the gateway booted
    And the key that opens the two servers
    And a gateway of the scenario's own that dies when it is told to
    And a redis server that deployments reach, with the plan free
    And this service
      """
      service: shop
      version: "1.0"
      server: {ids: ["{server_0}", "{server_1}"], user: "{user}", private_key: "{shared_key}"}
      bind: [cache]
      files:
        app.py: |
          import http.server, os, socket, urllib.parse
          place = urllib.parse.urlsplit(os.environ["REDIS_URL"])
          class Shop(http.server.BaseHTTPRequestHandler):
              def do_GET(self):
                  with socket.create_connection((place.hostname, place.port), 10) as redis:
                      redis.sendall(f"AUTH {place.username} {place.password}\r\n".encode())
                      lets_in = redis.recv(100).startswith(b"+OK")
                  self.send_response(200 if lets_in else 500)
                  self.end_headers()
                  self.wfile.write(place.username.encode())
              def log_message(self, *args):
                  pass
          http.server.ThreadingHTTPServer(("", int(os.environ["PORT"])), Shop).serve_forever()
      setup: echo "it has $REDIS_URL"
      command: python3 app.py
      port: 8080
      health: {path: /, interval: 1, timeout: 5}
      update: {drain: 2, ramp: 1}
      """

  Scenario: Each request logs in to a real Redis: under load, with other credentials, and after the daemon has died
    Given a member has a service cache of redis
    When a member deploys it
    Then it succeeds
    And 2 of them answer / with the login of cache
    And its log says "it has ***"
    And no password of cache is in the daemon's files or its log
    When a member calls DELETE /v1/services/cache
    Then the error is 409 gateway.service.in_use, which says "the deployment shop"
    Given 4 clients that ask for the best shop and call it all the time
    When a member calls POST /v1/services/cache/rotate
      """
      {}
      """
    Then the answer is 202
    And "service.rotation.status" is "running"
    Given the credentials in "service.credentials" are those of fresh
    Then soon "deployment.releases.0.folder" of GET /v1/deployments/{deployment} is "1.0-2"
    And what is under way succeeds
    And 2 of them answer / with the login of fresh
    And soon "service.rotation.status" of GET /v1/services/cache is "succeeded"
    And no client can log in with the credentials of cache
    And no client has seen an error
    And no password of fresh is in the daemon's files or its log
    When the daemon is to die in the middle of its step start of target 1
    And a member calls POST /v1/services/cache/rotate
      """
      {}
      """
    Given the credentials in "service.credentials" are those of newest
    When the daemon has died
    And the daemon is started again
    Then what is under way succeeds
    And 2 of them answer / with the login of newest
    And soon "service.rotation.status" of GET /v1/services/cache is "succeeded"
    And no client can log in with the credentials of fresh
