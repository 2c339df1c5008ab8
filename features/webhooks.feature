Feature: Webhooks: the registry's changes, posted to who subscribed
  Each receiver is told one change after the other, signed as standardwebhooks.com says and checked here by its
  library; what it does not take is sent again, and kept where it never does.

  Background:
    Given a gateway of the scenario's own with these options
      | section  | option         | value |
      | webhooks | attempts       | 2     |
      | webhooks | retry_interval | 0.1   |
    And a receiver of webhooks

  Scenario: Told what changes, in order
    Given a web service parcel whose health check is answered 200
    When a member subscribes the receiver to parcel
    Then the answer is 201
    And "subscription" has id, url, type, index, secret and created_at
    Given "subscription.id" is remembered as subscription
    When a member registers parcel
    And a member calls PATCH /registry/service/parcel-0
      """
      {"weight": 3}
      """
    And a member calls DELETE /registry/service/parcel-0
    Then the receiver is told instance.created, instance.changed, instance.removed
    And each message is about parcel-0 and verified with the secret
    When a member calls GET /registry/subscriptions/{subscription}
    Then the answer is 200
    And "subscription.type" is "parcel"
    And the answer never mentions "whsec_"
    When a member calls GET /registry/subscriptions
    Then one of "subscriptions" has id "{subscription}"
    When a member calls DELETE /registry/subscriptions/{subscription}
    Then the answer is 204
    When a member calls GET /registry/subscriptions/{subscription}
    Then the error is 404 gateway.subscription.not_found

  Scenario: What is never taken is kept, and sent again on demand
    Given a web service letter whose health check is answered 200
    And the receiver answers 500
    When a member subscribes the receiver to letter
    And "subscription.id" is remembered as subscription
    And a member registers letter
    Then soon "deliveries.0.state" of GET /registry/subscriptions/{subscription}/deliveries?state=dead is "dead"
    And "deliveries.0.attempts" is 2
    And "deliveries.0.error" is "answered 500"
    And "deliveries.0.message.data.instance" is "letter-0"
    Given "deliveries.0.index" is remembered as index
    When the receiver answers 200
    And a member calls POST /registry/subscriptions/{subscription}/deliveries/{index}/resend
    Then the answer is 202
    And the receiver is told instance.created, instance.created, instance.created
    When a member calls POST /registry/subscriptions/{subscription}/deliveries/resend
    Then the answer is 202
    When a member calls POST /registry/subscriptions/{subscription}/deliveries/999999/resend
    Then the error is 404 gateway.subscription.delivery_not_found

  Scenario Outline: What cannot be subscribed
    When a member calls POST /registry/subscriptions
      """
      <body>
      """
    Then the error is 400 <code>
    And its field is "<field>"

    Examples:
      | body                                                  | code                        | field  |
      | {}                                                    | gateway.request.invalid     | body   |
      | {"url": "ftp://198.51.100.1/"}                        | gateway.subscription.url    | url    |
      | {"url": "http://127.0.0.1:5000/"}                     | gateway.subscription.url    | url    |
      | {"url": "http://169.254.169.254/latest"}              | gateway.subscription.url    | url    |
      | {"url": "http://me:pw@198.51.100.1/"}                 | gateway.subscription.url    | url    |
      | {"url": "http://198.51.100.1/", "secret": "short"}    | gateway.subscription.secret | secret |
      | {"url": "http://198.51.100.1/", "type": "two words"}  | gateway.request.invalid     | type   |
      | {"url": "http://198.51.100.1/", "colour": "red"}      | gateway.request.invalid     | body   |

  Scenario Outline: What cannot be asked of deliveries
    When a member subscribes the receiver to anything
    And "subscription.id" is remembered as subscription
    And a member calls GET /registry/subscriptions/{subscription}/deliveries<query>
    Then the error is 400 gateway.request.invalid
    And its field is "<field>"

    Examples:
      | query        | field  |
      | ?state=alive | state  |
      | ?marker=x    | marker |

  Scenario: A name that points to the gateway's own host
    Given a web service trick whose health check is answered 200
    When a member calls POST /registry/subscriptions
      """
      {"url": "http://localhost:5000/v3", "type": "trick"}
      """
    Then the answer is 201
    Given "subscription.id" is remembered as subscription
    When a member registers trick
    Then soon "deliveries.0.state" of GET /registry/subscriptions/{subscription}/deliveries is "dead"
    And "deliveries.0.error" says "blocked_networks"

  @aio
  Scenario: Another project's are not there, and a reader only looks
    When a member subscribes the receiver to anything
    And "subscription.id" is remembered as subscription
    And a stranger calls GET /registry/subscriptions/{subscription}
    Then the error is 404 gateway.subscription.not_found
    When a stranger calls POST /registry/subscriptions/{subscription}/deliveries/resend
    Then the error is 404 gateway.subscription.not_found
    When a reader calls DELETE /registry/subscriptions/{subscription}
    Then the error is 403 gateway.policy.forbidden
    When a reader calls GET /registry/subscriptions/{subscription}
    Then the answer is 200
