Feature: Who may do what
  Keystone says who calls; readers look, members act, each in their own project.

  Scenario Outline: Nothing is told or done without a token
    When nobody calls <method> <path>
    Then the error is 401 gateway.auth.token
    And its header WWW-Authenticate has "Keystone"

    Examples:
      | method | path                                 |
      | GET    | /v1/flavors                          |
      | GET    | /v1/flavors/m1.nano                  |
      | GET    | /v1/images                           |
      | GET    | /v1/networks                         |
      | GET    | /v1/launch-options                   |
      | GET    | /v1/servers                          |
      | POST   | /v1/servers                          |
      | GET    | /v1/servers/web                      |
      | DELETE | /v1/servers/web                      |
      | POST   | /v1/artifacts                        |
      | GET    | /v1/deployments                      |
      | POST   | /v1/deployments                      |
      | GET    | /v1/deployments/1                    |
      | DELETE | /v1/deployments/1                    |
      | GET    | /v1/deployments/1/log                |
      | GET    | /registry/service/types              |
      | GET    | /registry/service/types/hello        |
      | GET    | /registry/service/types/hello/best   |
      | GET    | /registry/service/types/hello/0      |
      | GET    | /registry/service/hello-0            |
      | POST   | /registry/service                    |
      | POST   | /registry/tokens                     |
      | GET    | /registry/facades/http_sd            |

  Scenario: A token that Keystone does not know
    When nobody calls GET /v1/flavors with X-Auth-Token: gAAAAAmade-up
    Then the error is 401 gateway.auth.token
    And its header WWW-Authenticate has "Keystone"

  @aio
  Scenario: A token without a project
    Given a token of a member's without a project
    When nobody calls GET /v1/flavors with X-Auth-Token: {token}
    Then the error is 403 gateway.auth.scope

  @aio
  Scenario Outline: A reader looks
    When a reader calls GET <path>
    Then the answer is 200

    Examples:
      | path                    |
      | /v1/flavors             |
      | /v1/launch-options      |
      | /v1/servers             |
      | /v1/deployments         |
      | /registry/service/types |

  @aio
  Scenario Outline: A reader does not act
    When a reader calls <method> <path>
      """
      {}
      """
    Then the error is 403 gateway.policy.forbidden

    Examples:
      | method | path              |
      | POST   | /v1/servers       |
      | DELETE | /v1/servers/web   |
      | POST   | /v1/artifacts     |
      | POST   | /v1/deployments   |
      | DELETE | /v1/deployments/1 |
      | POST   | /registry/service |

  @aio
  Scenario: A reader who boots, however well he asks
    When a reader calls POST /v1/servers
      """
      {"server": {"name": "by-a-reader", "flavor": "{flavor}", "image": "{image}", "network": "{network}"}}
      """
    Then the error is 403 gateway.policy.forbidden
    And nothing is left of it in Nova, Neutron and Keystone
