Feature: The API describes itself
  Whoever writes a client, or a form, or only looks around, is told every call there is: by the daemon itself,
  from what it checks requests by.

  Scenario: The description is OpenAPI, and tells every call
    When nobody calls GET /v1/openapi.json
    Then the answer is 200
    And "openapi" is "3.1.0"
    And "paths" has /v1/servers, /v1/deployments, /registry/service and /healthcheck
    And "info.description" says "Open Service Broker API"

  Scenario: A browser shows it, and asks nobody else
    When nobody calls GET /v1/docs with Accept: text/html
    Then a page is shown that has "/v1/docs/swagger-ui-bundle.js"
    And its header Content-Security-Policy has "default-src 'none'"
    When nobody calls GET /v1/docs/swagger-ui-bundle.js
    Then a script is shown

  Scenario: What that page is not made of is not there
    When nobody calls GET /v1/docs/LICENSE
    Then the error is 404 gateway.docs.not_found

  @aio
  Scenario Outline: Whatever is sent, it is answered as the description says
    Given a gateway of one's own
    Then schemathesis, as <who>, finds nothing wrong in <count> examples of each call

    Examples:
      | who        | count |
      | a stranger | 5     |
      | nobody     | 2     |
