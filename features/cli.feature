Feature: The command line, from nothing to a first service.yaml
  Who has a cloud and nothing else is given an example that fits it, or is asked.

  Scenario: An example to begin with
    Given I am in an empty folder
    When I run gateway init shop --flavor {flavor} --image {image} --network {network}
    Then it exits with 0
    And it prints "Wrote shop/service.yaml and shop/app.py"
    And it prints "gateway deploy shop/service.yaml"
    And the file shop/service.yaml there has
      """
      flavor: {flavor}
      image: {image}
      network: {network}
      """
    When I run gateway init shop
    Then it exits with 1
    And its error is one line that says "is there already; nothing was written"
    When I run gateway init other --flavor no-such
    Then it exits with 1
    And its error is one line that says "There is no flavor 'no-such'"

  Scenario: On a terminal what is missing is asked for, and written down for next time
    Given I am in an empty folder
    And a file app.py there
    When on a terminal I run gateway deploy and answer
      | asked                      | answer    |
      | Name of the service [mine]         | My Shop   |
      | folder [python3 app.py]            |           |
      | listens on [8080]                  | eighty    |
      | listens on [8080]                  | 8123      |
      | when it is well [/]                |           |
      | Which image?                       | {image}   |
      | Which flavor?                      | nothing   |
      | or several                         | {flavor}  |
      | Which network?                     | {network} |
    Then it exits with 1
    And it prints "It must be a number."
    And it prints "Wrote service.yaml."
    And it prints "a service is named with a-z, 0-9 and -"
    And the file service.yaml there has
      """
      service: My Shop
      flavor: {flavor}
      image: {image}
      network: {network}
      command: python3 app.py
      port: 8123
      path: /
      """

  Scenario: Where nobody can be asked it says what to do
    Given I am in an empty folder
    When I run gateway deploy
    Then it exits with 1
    And its error is one line that says "give FILE, or begin with: gateway init"

  Scenario: Shell completion
    When I run gateway complete
    Then it exits with 0
    And it prints "cmds_registry='"
