Feature: Signatures
  An instance's signature says what it is and where it runs; whoever has the gateway's public keys can check it.
  doc/source/signatures.rst shows how.

  Scenario: A member's own service, signed, registered and checked offline
    Given a web service signed whose health check is answered 200
    When a member calls POST /registry/tokens
      """
      {"type": "signed", "host": "{here}", "port": {signed_port}, "version": "2.1"}
      """
    Then the answer is 201
    And "token" is remembered as token
    And "expires_at" is remembered as expires_at
    And its header Cache-Control is no-store
    When a member calls POST /registry/service
      """
      {"proto": "http", "type": "signed", "host": "{here}", "port": {signed_port}, "signature": "{token}"}
      """
    Then the answer is 201
    When nobody calls GET /registry/.well-known/jwks.json
    Then the answer is 200
    And each of "keys" has kty, crv, x, kid, alg and use
    And its header Cache-Control is public, max-age=300
    And the answer is kept as jwks.json
    When a member calls GET /registry/service/signed-0
    Then the answer is kept as instance.json
    And the example of doc/source/signatures.rst says of it ""
    When its port becomes 1
    Then the example of doc/source/signatures.rst says of it "signed for another port"
    When its signature is tampered with
    Then the example of doc/source/signatures.rst says of it "not to be trusted: Signature verification failed"
    When a member calls POST /registry/service
      """
      {"proto": "http", "type": "signed", "host": "{here}", "port": {signed_port}, "signature": "{token}"}
      """
    Then the error is 409 gateway.registry.exists

  Scenario: A signature for one thing is none for another
    Given a web service one whose health check is answered 200
    And a web service two whose health check is answered 200
    When a member calls POST /registry/tokens
      """
      {"type": "one", "host": "{here}", "port": {one_port}}
      """
    Then the answer is 201
    And "token" is remembered as token
    When a member calls POST /registry/service
      """
      {"proto": "http", "type": "two", "host": "{here}", "port": {one_port}, "signature": "{token}"}
      """
    Then the error is 400 gateway.registry.signature, which says "another type"
    And "status" is "INVALID"
    When a member calls POST /registry/service
      """
      {"proto": "http", "type": "one", "host": "{here}", "port": {two_port}, "signature": "{token}"}
      """
    Then the error is 400 gateway.registry.signature, which says "another port"
    And "status" is "INVALID"

  @aio
  Scenario: Another project's signature
    Given a web service mine whose health check is answered 200
    When a stranger calls POST /registry/tokens
      """
      {"type": "mine"}
      """
    Then the answer is 201
    And "token" is remembered as token
    When a member calls POST /registry/service
      """
      {"proto": "http", "type": "mine", "host": "{here}", "port": {mine_port}, "signature": "{token}"}
      """
    Then the error is 400 gateway.registry.signature, which says "another project"
    And "status" is "INVALID"

  Scenario Outline: No signature for what cannot be registered
    When a member calls POST /registry/tokens
      """
      <body>
      """
    Then the error is 400 <code>

    Examples:
      | body                                      | code                         |
      | {}                                        | gateway.request.invalid      |
      | {"type": "a/b"}                           | gateway.request.invalid      |
      | {"type": "web", "host": "example.com"}    | gateway.registry.host        |
      | {"type": "web", "host": "127.0.0.1"}      | gateway.registry.host_blocked |
      | {"type": "web", "port": 0}                | gateway.request.invalid      |
      | {"type": "web", "lifetime": 1}            | gateway.request.invalid      |

  @aio
  Scenario: A reader has nothing signed
    When a reader calls POST /registry/tokens
      """
      {"type": "web"}
      """
    Then the error is 403 gateway.policy.forbidden

  Scenario: The operator changes the key
    Given a gateway of the scenario's own
    And a web service lasting whose health check is answered 200
    When a member calls POST /registry/tokens
      """
      {"type": "lasting"}
      """
    Then "token" is remembered as token
    When the operator runs gateway-manage signing-key rotate
    And nobody calls GET /registry/.well-known/jwks.json
    Then "keys" are 2
    And "keys.0.kid" is the key that gateway-manage told of
    When a member calls POST /registry/service
      """
      {"proto": "http", "type": "lasting", "host": "{here}", "port": {lasting_port}, "signature": "{token}"}
      """
    Then the answer is 201

  Scenario Outline: Keys of others, each for its algorithm alone
    Given another's <kind> key, which the gateway of the scenario's own trusts
    And a web service foreign whose health check is answered 200
    And a token of it for the member's foreign, <claims>, signed <how>
    When a member calls POST /registry/service
      """
      {"proto": "http", "type": "foreign", "host": "{here}", "port": {foreign_port}, "signature": "{token}"}
      """
    Then the answer is <status>
    And "status" is "<word>"

    Examples:
      | kind    | claims            | how                             | status | word    |
      | RSA     | valid for an hour | with RS256                      | 201    | OK      |
      | RSA     | valid for an hour | with its public key as a secret | 400    | INVALID |
      | RSA     | valid for an hour | not at all                      | 400    | INVALID |
      | RSA     | expired           | with RS256                      | 400    | INVALID |
      | Ed25519 | valid for an hour | with EdDSA                      | 201    | OK      |
      | secret  | valid for an hour | with HS256                      | 201    | OK      |
      | secret  | valid for an hour | with HS512                      | 400    | INVALID |

  Scenario: A key file that is not there
    When I start a gatewayd with [registry] trusted_keys = /nowhere/key.pem
    Then it ends with 1 and says "/nowhere/key.pem"
