Feature: What operators see from outside
  Prometheus reads numbers, load balancers ask for health, logs are for programs, and a signal makes a report.

  @promtool
  Scenario: Prometheus reads what all processes of the gateway did
    Given a web service lamp whose health check is answered 200
    When a member registers lamp with the check {"interval": 1, "timeout": 5}
    And a member calls GET /registry/service/types/lamp/best
    And a member calls GET /v1/servers/no-such-server
    And nobody calls GET /v1/floppies
    Then soon Prometheus reads at least 1 of each of these
      | series                                                                                             |
      | gateway_http_requests_total{method="POST",route="/registry/service",status="201"}                  |
      | gateway_http_requests_total{method="GET",route="/registry/service/types/{type}/best",status="200"} |
      | gateway_http_requests_total{method="GET",route="/v1/servers/{server}",status="404"}                |
      | gateway_http_requests_total{method="GET",route="other",status="404"}                               |
      | gateway_http_request_duration_seconds_count{method="POST",route="/registry/service"}               |
      | gateway_checks_total{kind="http",result="ok"}                                                      |
      | gateway_check_duration_seconds_count{kind="http"}                                                  |
      | gateway_registry_instances{status="passing"}                                                       |
      | gateway_registry_changes_index                                                                     |
      | gateway_processes_alive{role="api"}                                                                |
      | gateway_engines_alive                                                                              |
      | gateway_monitors_alive                                                                             |
      | gateway_database_up                                                                                |
    And promtool finds no fault with what it reads
    And what it reads names neither lamp nor a project

  @promtool
  Scenario: Prometheus takes the configuration and the alerts that come with the gateway
    Then promtool takes etc/gateway/prometheus.yml and etc/gateway/alerts.yml

  Scenario: A load balancer asks how the gateway is
    When nobody calls GET /healthcheck?detailed
    Then the answer is 200
    And "status" is "ok"
    And "database.up" is true
    And one of "processes" has role "engine"
    And one of "processes" has role "monitor"

  Scenario Outline: A question about its health that is none
    When nobody calls GET /healthcheck?<query>
    Then the error is 400 <code>

    Examples:
      | query        | code                      |
      | verbose      | gateway.request.parameter |
      | detailed=yes | gateway.request.invalid   |

  Scenario: Logs for programs, a report upon a signal, details of its health for its operators alone
    Given a gateway of the scenario's own with JSON logs, a folder for reports, and a bus that is away
    When nobody calls GET /healthcheck?detailed
    Then the error is 403 gateway.health.network
    When a member calls GET /v1/flavors/no-such-flavor
    Then the error is 404 gateway.flavor.not_found
    When a member calls DELETE /registry/service/no-such-0
    Then the error is 404 gateway.registry.instance_not_found
    And each line of the daemon's log is JSON
    And one of them is the answer's, with its request id, its user and its project
    When each process of the daemon gets the signal USR2
    Then soon the folder has a report of each, with its threads and its configuration
    And neither the log nor a report has a token or a password
    And the daemon still runs
