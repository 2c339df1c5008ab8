Feature: What a server can be made of
  Flavors, images and networks, as the caller's own project sees them.

  Scenario Outline: Lists
    When a member calls GET /v1/<list>
    Then the answer is 200
    And each of "<list>" has <fields>
    And one of "<list>" has name "<name>"

    Examples:
      | list     | fields                                                      | name      |
      | flavors  | id, name, vcpus, ram and disk                               | {flavor}  |
      | images   | id, name, status, size, min_disk, min_ram and visibility    | {image}   |
      | networks | id, name, status, external, shared and subnets              | {network} |

  Scenario Outline: One of them, by name and by id
    When a member calls GET /v1/<list>/<name>
    Then the answer is 200
    And "<one>.name" is "<name>"
    Given "<one>.id" is remembered as id
    When a member calls GET /v1/<list>/{id}
    Then the answer is 200
    And "<one>.name" is "<name>"

    Examples:
      | list     | one     | name      |
      | flavors  | flavor  | {flavor}  |
      | images   | image   | {image}   |
      | networks | network | {network} |

  Scenario Outline: One that is not there
    When a member calls GET /v1/<list>/no-such-thing
    Then the error is 404 <code>, which says "no-such-thing"

    Examples:
      | list     | code                      |
      | flavors  | gateway.flavor.not_found  |
      | images   | gateway.image.not_found   |
      | networks | gateway.network.not_found |

  Scenario: Everything that a launch needs, in one call
    When a member calls GET /v1/launch-options
    Then the answer is 200
    And one of "flavors" has name "{flavor}"
    And one of "images" has name "{image}"
    And one of "networks" has name "{network}"

  @aio
  Scenario: Another project's private network is not shown
    When a stranger calls GET /v1/networks
    Then the answer is 200
    And one of "networks" has name "shared"
    And none of "networks" has name "private"
    When a stranger calls GET /v1/networks/private
    Then the error is 404 gateway.network.not_found

  @aio
  Scenario: Page by page
    When a member calls GET /v1/flavors?limit=1
    Then the answer is 200
    And "flavors" are 1
    Given "flavors.0.id" is remembered as first
    When a member calls GET /v1/flavors?limit=1&marker={first}
    Then the answer is 200
    And "flavors" are 1
    And none of "flavors" has id "{first}"

  Scenario Outline: What cannot be asked
    When a member calls GET /v1/flavors?<query>
    Then the error is 400 <code>
    And its field is "<field>"

    Examples:
      | query               | code                      | field   |
      | limit=some          | gateway.request.invalid   | limit   |
      | limit=0             | gateway.request.invalid   | limit   |
      | limit=-1            | gateway.request.invalid   | limit   |
      | colour=red          | gateway.request.parameter | colour  |
      | limit=1&limit=2     | gateway.request.parameter | limit   |
