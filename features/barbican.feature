@aio
Feature: The keys of the secrets in Barbican
  With [secrets] backend = castellan they are where the operator keeps his other keys.

  @barbican
  Scenario: Sealed, rotated and pruned
    Given a Barbican
    And a gateway of the scenario's own whose keys are in Barbican
    When a member calls POST /registry/tokens
      """
      {"type": "guarded"}
      """
    Then the answer is 201
    And its database has 1 sealed signing key
    And Barbican has 1 key of it
    And there is no key in its folder
    When I run gateway-manage secrets rotate
    Then it exits with 0
    And Barbican has 2 keys of it
    When I run gateway-manage secrets prune --min-age 0
    Then it exits with 0
    And Barbican has 1 key of it
    When a member calls POST /registry/tokens
      """
      {"type": "guarded"}
      """
    Then the answer is 201
    When the daemon is killed
    And the daemon is started again
    And a member calls POST /registry/tokens
      """
      {"type": "guarded"}
      """
    Then the answer is 201
    And its database has 1 sealed signing key

  Scenario: No Barbican
    Given a gateway of the scenario's own
    When its configuration becomes [secrets] backend = castellan
    And I run gateway-manage secrets rotate
    Then it exits with 1
    And its error is one line that says "[secrets] backend = castellan"
    When the daemon is told to stop
    And I start its daemon anew
    Then it ends with 1 and says "[secrets] backend = castellan"
