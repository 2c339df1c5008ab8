Feature: Artifacts
  A service's files as a tar.gz, uploaded once and named by deployments.

  Scenario: An upload is answered with what arrived
    When a member uploads a tar.gz with app.py
    Then the answer is 201
    And "artifact" has id, sha256 and size
    And "artifact.sha256" is the sum of what was sent
    And "artifact.size" is the size of what was sent

  Scenario: The same file twice is two artifacts of one sum
    When a member uploads a tar.gz with app.py
    Then the answer is 201
    Given "artifact.id" is remembered as first
    When a member uploads it again
    Then the answer is 201
    And "artifact.sha256" is the sum of what was sent

  Scenario Outline: What is not a tar.gz
    When a member calls POST /v1/artifacts with Content-Type: application/gzip
      """
      <content>
      """
    Then the error is 400 gateway.artifact.not_tar_gz

    Examples:
      | content           |
      | PK this is a zip  |
      |                   |

  Scenario: Compressed, but no tar
    When a member uploads a compressed text
    Then the error is 400 gateway.artifact.not_tar_gz

  Scenario: An archive that would write outside its folder
    When a member uploads a tar.gz with ../../etc/passwd
    Then the error is 400 gateway.artifact.unsafe

  Scenario: A type that is not taken
    When a member calls POST /v1/artifacts
      """
      {"artifact": {}}
      """
    Then the error is 400 gateway.request.content_type

  Scenario: Too large
    When a member uploads a tar.gz of more than the option allows
    Then the error is 413 gateway.artifact.too_large

  @aio
  Scenario: Another project's artifact is nobody's business
    When a stranger uploads a tar.gz with app.py
    Then the answer is 201
    Given "artifact.id" is remembered as theirs
    When a member calls POST /v1/deployments
      """
      {"deployment": {"service": "borrowed", "version": "1.0.0", "artifact": "{theirs}", "command": "python3 app.py",
       "port": 8080, "health": {"path": "/health"},
       "server": {"flavor": "{flavor}", "image": "{image}", "network": "{network}"}}}
      """
    Then the error is 400 gateway.artifact.not_found
    And nothing is left of it in Nova, Neutron and Keystone
