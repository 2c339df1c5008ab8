@admin @databases
Feature: Services on servers of their own
  A plan is a server and what is deployed on it: who has a service of it has a deployment in the project, and who
  deletes the service leaves nothing.

  Scenario: A private Redis, although the daemon dies while it is being made, and again while it goes
    Given a gateway of the scenario's own that dies when it is told to and takes artifacts of 16 MiB
    And an artifact of an admin's with the redis-server of this machine
    When an admin calls POST /v1/providers
      """
      {"provider": {"name": "own", "type": "server", "service": "redis", "plans": {"small": {
        "description": "A Redis of one's own.",
        "server": {"flavor": "{flavor}", "image": "{image}", "network": "{network}"},
        "artifact": "{artifact}",
        "command": "printf 'port %s\nrequirepass %s\nsave \"\"\n' $PORT $PASSWORD | LD_LIBRARY_PATH=lib ./redis-server -",
        "port": 6379,
        "health": {"kind": "tcp", "interval": 1},
        "credentials": {"REDIS_URL": "redis://default:{password}@{host}:{port}/0"}}}}}
      """
    Then the answer is 201
    When the daemon is to die in the middle of its step boot of target 0
    And a member begins on a server to have a service mine of redis
    And the daemon has died
    And the daemon is started again
    And a member calls GET /v1/services/mine
    Then "service.status" is "creating"
    And "service.credentials" is null
    Given "service.deployment.id" is remembered as deployment
    Then what is under way succeeds
    And soon "service.status" of GET /v1/services/mine is "ready"
    And "service.credentials.REDIS_URL" is like redis://default:[^:@]{32}@{address}:6379/0
    Given the credentials in "service.credentials" are those of mine
    When a client writes "private" with the credentials of mine
    Then a client reads "private" with the credentials of mine
    And no password of mine is in the daemon's files or its log
    When a member calls DELETE /v1/deployments/{deployment}
    Then the error is 409 gateway.deployment.of_service, which says "the service mine"
    When a member calls POST /v1/services/mine/rotate
      """
      {}
      """
    Then the error is 409 gateway.binding.only_one
    When a member calls DELETE /v1/services/mine
    And the daemon is killed
    And the daemon is started again
    Then soon GET /v1/services/mine answers 404
    And soon GET /v1/deployments/{deployment} answers 404
    And no client can log in with the credentials of mine
    And nothing is left of it in Nova, Neutron and Keystone
