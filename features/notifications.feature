Feature: The registry's changes, and who did what, on OpenStack's message bus
  For operators, who have the section [oslo_messaging_notifications]; else there are none.

  @aio
  Scenario: Told on RabbitMQ
    Given a gateway of the scenario's own, whose notifications go to RabbitMQ
    And a web service herald whose health check is answered 200
    When a member registers herald
    And a member calls DELETE /registry/service/herald-0
    Then RabbitMQ has instance.created and instance.removed of herald-0
    When a reader calls DELETE /v1/servers/no-such-server
    And nobody calls GET /v1/servers
    And a reader asks gRPC for Register
      """
      {"type": "herald", "host": "{here}", "port": 80}
      """
    Then RabbitMQ has these events of who did what
      | who      | action | target         | outcome | status   |
      | a member | create | herald-0       | success | 201      |
      | a member | delete | herald-0       | success | 200      |
      | a reader | delete | no-such-server | failure | 403      |
      | nobody   | read   | unknown        | failure | 401      |
      | a reader | create | herald         | failure | CANCELED |
    And none of them has a token or a body
