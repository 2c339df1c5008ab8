@admin @aio
Feature: Providers whose plans are servers
  What such services do is in guests/server_plans.feature.

  Scenario: A plan from a file, plans that are none, and who cannot have a service of it
    Given a file recipe with this plan
      """
      description: A Redis of one's own.
      server: {flavor: "{flavor}", image: "{image}", network: "{network}"}
      packages: [redis-server]
      command: printf 'port %s\nrequirepass %s\n' $PORT $PASSWORD | redis-server -
      port: 6379
      health: {kind: tcp}
      credentials: {REDIS_URL: "redis://default:{password}@{host}:{port}/0"}
      """
    When I run gateway --os-cloud admin provider create own --type server --service redis --plan-file small {recipe}
    Then it exits with 0
    And it prints "requirepass"
    When a member calls GET /v1/providers/own
    Then the answer is 200
    And "provider.offers.redis.small.description" is "A Redis of one's own."
    And the answer never mentions "requirepass"
    When an admin calls PUT /v1/providers/own
      """
      {"provider": {"service": "redis", "plans": {"small": {"command": "true", "port": 6379,
        "server": {"flavor": "{flavor}", "image": "{image}", "network": "{network}"},
        "credentials": {"REDIS_URL": "redis://{somebody}@{host}"}}}}}
      """
    Then the error is 400 gateway.request.invalid, which says "{somebody} is not known"
    And its field is "provider.plans.small.credentials.REDIS_URL"
    When an admin calls PUT /v1/providers/own
      """
      {"provider": {"service": "redis", "plans": {"small": {"command": "true", "port": 6379,
        "server": {"ids": ["web"]}, "credentials": {"HOST": "{host}"}}}}}
      """
    Then the error is 400 gateway.request.invalid
    And its field is "provider.plans.small.server"
    Given the token of a restricted application credential of a member's
    When a member calls POST /v1/services with X-Auth-Token: {token}
      """
      {"service": {"type": "redis", "plan": "small", "name": "mine"}}
      """
    Then the error is 403 gateway.trust.refused
    When a member calls GET /v1/services
    Then "services" are 0
    When an admin calls DELETE /v1/providers/own
    Then the answer is 204
