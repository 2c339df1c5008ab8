Feature: When it does not work
  A failed deployment says in plain words which step failed and why, and leaves nothing in Nova and Neutron:
  the scenarios ask Nova and Neutron.

  Background:
    Given this service
      """
      service: doomed
      version: "1.0.0"
      server: {flavor: "{flavor}", image: "{image}", network: "{network}"}
      command: python3 -m http.server $PORT
      port: 8080
      health: {path: /, interval: 1, timeout: 5}
      """

  Scenario: A command that exits at once, on a new server
    When a member deploys it with
      """
      command: echo out of luck; exit 3
      """
    Then it fails at health with gateway.deployment.unhealthy, which says "exited with status 3"
    And its log says "out of luck"
    And Nova has 0 servers of it
    When a member calls GET /registry/service/types/doomed/best
    Then the error is 404 gateway.registry.type_not_found
    When a member undeploys it
    Then nothing is left of it in Nova, Neutron and Keystone

  @servers
  Scenario: A health path that answers 500
    Given two servers that the gateway booted
    When a member deploys it with
      """
      server: {ids: ["{server_0}"]}
      files:
        app.py: |
          import http.server
          class Broken(http.server.BaseHTTPRequestHandler):
              def do_GET(self):
                  self.send_error(500)
          http.server.HTTPServer(("", 8080), Broken).serve_forever()
      command: python3 app.py
      """
    Then it fails at health with gateway.deployment.unhealthy, which says "500"
    And Nova has the server {server_0}
    And nothing answers on port 8080 of server 0

  @servers
  Scenario: A setup that fails
    Given two servers that the gateway booted
    When a member deploys it with
      """
      server: {ids: ["{server_0}"]}
      setup: |
        echo first
        cat /no/such/file
        echo never
      """
    Then it fails at install with gateway.deployment.command_failed, which says "/no/such/file"
    And its log says "first"

  @aio
  Scenario: A guest that cannot be reached
    Given a gateway of the scenario's own with [ssh] ready_timeout = 5
    When a member deploys it with
      """
      server: {flavor: "{flavor}", image: "{image}", network: "{private_network}"}
      """
    Then it fails at ssh with gateway.ssh.unreachable, which says "sshd"
    And Nova has 0 servers of it
    When a member undeploys it
    Then nothing is left of it in Nova, Neutron and Keystone

  Scenario: A server that the gateway has no key for
    Given a server that Nova booted without the gateway
    When a member deploys it with
      """
      server: {ids: ["{foreign_server}"]}
      """
    Then the error is 400 gateway.deployment.private_key, which says "private_key"

  @servers
  Scenario: A private key that does not fit
    Given two servers that the gateway booted
    And a private key that no server knows
    And a gateway of the scenario's own with [ssh] ready_timeout = 5
    When a member deploys it with
      """
      server: {ids: ["{server_0}"], user: debian, private_key: "{private_key}"}
      """
    Then it fails at ssh with gateway.ssh.login_refused, which says "debian"
    And Nova has the server {server_0}
    And neither its log nor the daemon's mentions "BEGIN OPENSSH"

  @servers
  Scenario: A host key that is not the server's
    Given two servers that the gateway booted
    And a private key that no server knows
    When a member deploys it with
      """
      server: {ids: ["{server_0}"], user: debian, private_key: "{private_key}", host_key: "{public_key}"}
      """
    Then it fails at ssh with gateway.ssh.host_key_mismatch, which says "host key"

  Scenario Outline: What is refused at once
    When a member deploys it with
      """
      <change>
      """
    Then the error is <status> <code>, which says "<says>"
    And nothing is left of it in Nova, Neutron and Keystone

    Examples:
      | change                                                                          | status | code                      | says           |
      | server: {flavor: no-such, image: "{image}", network: "{network}"}               | 400    | gateway.flavor.not_found  | no-such        |
      | server: {flavor: "{flavor}", image: no-such, network: "{network}"}              | 400    | gateway.image.not_found   | no-such        |
      | server: {flavor: "{flavor}", image: "{image}", network: no-such}                | 400    | gateway.network.not_found | no-such        |
      | server: {flavor: "{small_flavor}", image: "{image}", network: "{network}"}      | 400    | gateway.flavor.too_small  | needs at least |
      | server: {ids: [no-such-server]}                                                 | 400    | gateway.server.not_found  | no-such-server |
      | server: {}                                                                      | 400    | gateway.request.invalid   | server         |
      | server: {ids: [a], flavor: b}                                                   | 400    | gateway.request.invalid   | server         |
      | artifact: 2f0dba4c-8d2f-4f39-9e1d-3b7f0d1c2a55                                  | 400    | gateway.artifact.not_found | 2f0dba4c      |
      | artifact: nonsense                                                              | 400    | gateway.request.invalid   | artifact       |
      | service: Not A Name                                                             | 400    | gateway.request.invalid   | service        |
      | replicas: 0                                                                     | 400    | gateway.request.invalid   | replicas       |
      | replicas: 100000                                                                | 400    | gateway.deployment.replicas | replicas       |
      | port: 70000                                                                     | 400    | gateway.request.invalid   | port           |
      | files: {../etc/passwd: x}                                                       | 400    | gateway.request.invalid   | files          |
      | health: {path: no-slash}                                                        | 400    | gateway.request.invalid   | health         |
      | colour: red                                                                     | 400    | gateway.request.invalid   | colour         |

  @admin
  Scenario: No quota
    Given the quota of another project is 0 cores
    When a stranger deploys it
    Then the error is 403 gateway.quota.exceeded, which says "cores"
    And nothing is left of it in Nova, Neutron and Keystone

  Scenario: A wish without anything in it
    When a member calls POST /v1/deployments
      """
      {"deployment": {}}
      """
    Then the error is 400 gateway.request.invalid
    When a member calls POST /v1/deployments
      """
      not JSON at all
      """
    Then the error is 400 gateway.request.json

  Scenario Outline: A deployment that is not there
    When a member calls <method> /v1/deployments/0b9e6d0e-0000-4000-8000-000000000000<rest>
    Then the error is 404 gateway.deployment.not_found

    Examples:
      | method | rest |
      | GET    |      |
      | GET    | /log |
      | DELETE |      |

  Scenario: Deleted while it is under way
    When a member deploys it
    Then the answer is 202
    When a member undeploys it
    Then nothing is left of it in Nova, Neutron and Keystone
