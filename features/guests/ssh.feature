Feature: How the gateway comes to the servers
  Over SSH, to exactly the host key that is known, through a jump host where there is no other way; what goes on
  there ends when the deployment does.

  Background:
    Given this service
      """
      service: reached
      version: "1.0.0"
      server: {ids: ["{server_0}"]}
      files: {index.html: hello}
      command: python3 -m http.server $PORT
      port: 8080
      health: {path: /, interval: 1, timeout: 5}
      """

  @servers
  Scenario: Deleted while its setup runs
    Given two servers that the gateway booted
    When a member deploys it with
      """
      setup: sleep 6001
      """
    Then the answer is 202
    When its step install is running
    And "sleep 6001" runs on server 0
    And a member undeploys it
    Then nothing of "sleep 6001" runs on server 0

  @servers
  Scenario: An artifact that the server has is not sent again
    Given two servers that the gateway booted
    When a member uploads a tar.gz with notes.txt
      """
      sent once
      """
    Then the answer is 201
    Given "artifact.id" is remembered as artifact
    When a member deploys it with
      """
      artifact: "{artifact}"
      """
    Then it succeeds
    And it answers /notes.txt with "sent once"
    When a member deploys it with
      """
      artifact: "{artifact}"
      version: "1.0.1"
      """
    Then it succeeds
    And its log says "the server has the artifact: upload skipped"
    And it answers /notes.txt with "sent once"

  @servers
  Scenario: A server whose host key has changed is not logged in to
    Given two servers that the gateway booted
    When a member deploys it with
      """
      server: {ids: ["{server_1}"]}
      """
    Then it succeeds
    Given the sshd of its server has got another host key
    When a member deploys it with
      """
      service: misled
      port: 8081
      server: {ids: ["{server_1}"]}
      """
    Then it fails at ssh with gateway.ssh.host_key_mismatch, which says "nothing was sent"
    And nobody but us has logged in there since
    When that sshd gets its own host key back
    And a member deploys it with
      """
      service: misled
      port: 8081
      server: {ids: ["{server_1}"]}
      """
    Then it succeeds

  @aio
  Scenario: Behind a jump host, where the servers have no floating IP
    When a member deploys it with
      """
      service: gatehouse
      server: {flavor: "{flavor}", image: "{image}", network: "{private_network}", floating_network: "{floating_network}"}
      """
    Then it succeeds
    Given "deployment.instances.0.server_id" is remembered as gatehouse
    When a member deploys it with
      """
      service: inner
      server: {flavor: "{flavor}", image: "{image}", network: "{private_network}", jump: {server: "{gatehouse}"}}
      """
    Then it succeeds
    And "deployment.spec.server.jump.server" is "{gatehouse}"
    And "deployment.spec.server.jump.trust" is "injected"
    And the answer never mentions "PRIVATE KEY"
    Given "deployment.instances.0.server_id" is remembered as inner
    Then the monitor finds inner-0 passing
    When a member calls GET /registry/service/types/inner/best
    Then the answer is 200
    And "host" is where it runs
    When a member deploys it with
      """
      service: second
      port: 8081
      server: {ids: ["{inner}"], jump: {server: "{gatehouse}"}}
      """
    Then it succeeds
    And the monitor finds second-0 passing
    When a member undeploys it
    And a member calls GET /registry/service/second-0
    Then the error is 404 gateway.registry.instance_not_found
    And the monitor finds inner-0 passing

  @aio
  Scenario: A jump host that cannot be reached
    Given a gateway of the scenario's own with [ssh] ready_timeout = 5
    And a private key that no server knows
    And a server on {private_network} that Nova booted with that key, without the gateway
    When a member deploys it with
      """
      server:
        ids: ["{foreign_server}"]
        user: debian
        private_key: "{private_key}"
        host_key: "{public_key}"
        jump: {server: "{foreign_server}", user: debian, private_key: "{private_key}", host_key: "{public_key}"}
      """
    Then it fails at ssh with gateway.ssh.unreachable, which says "the jump host"
    And neither its log nor the daemon's mentions "BEGIN OPENSSH"

  Scenario: A jump host that the gateway has no key for
    Given a server that Nova booted without the gateway
    When a member deploys it with
      """
      server: {flavor: "{flavor}", image: "{image}", network: "{network}", jump: {server: "{foreign_server}"}}
      """
    Then the error is 400 gateway.deployment.private_key, which says "deployment.server.jump.private_key"

  Scenario Outline: What a jump host may not be
    When a member deploys it with
      """
      {health: {path: /}, server: {flavor: "{flavor}", image: "{image}", network: "{network}", jump: <jump>}}
      """
    Then the error is 400 <code>, which says "<says>"
    And nothing is left of it in Nova, Neutron and Keystone

    Examples:
      | jump                                             | code                     | says                          |
      | no-such                                          | gateway.request.invalid  | jump                          |
      | {}                                               | gateway.request.invalid  | server                        |
      | {server: 7}                                      | gateway.request.invalid  | server                        |
      | {server: no-such}                                | gateway.server.not_found | deployment.server.jump.server |
      | {server: a, colour: red}                         | gateway.request.invalid  | colour                        |
      | {server: a, private_key: b}                      | gateway.request.invalid  | user                          |
      | {server: a, user: "Not a user"}                  | gateway.request.invalid  | user                          |
      | {server: a, user: b, private_key: nonsense}      | gateway.ssh.private_key  | private_key                   |
      | {server: a, host_key: nonsense}                  | gateway.ssh.host_key     | host_key                      |
      | {server: a}, floating_network: public            | gateway.deployment.jump  | floating_network              |

  Scenario Outline: What cannot be checked through a jump host
    When a member deploys it with
      """
      {<change>, server: {flavor: "{flavor}", image: "{image}", network: "{network}", jump: {server: a}}}
      """
    Then the error is 400 gateway.deployment.jump, which says "<says>"

    Examples:
      | change                  | says                   |
      | proto: https            | deployment.proto       |
      | health: {kind: grpc}    | deployment.health.kind |
