Feature: The registry's changes on OpenStack's message bus
  For operators, who have the section [oslo_messaging_notifications]; else there are none.

  @aio
  Scenario: Told on RabbitMQ
    Given a gateway of the scenario's own, whose notifications go to RabbitMQ
    And a web service herald whose health check is answered 200
    When a member registers herald
    And a member calls DELETE /registry/service/herald-0
    Then RabbitMQ has instance.created and instance.removed of herald-0
