Feature: The registry on the command line
  What the API does with instances, for people.

  Scenario: Registered, found, changed, taken out and removed
    Given a web service web whose health check is answered 200
    When I run gateway registry register cli {here} {web_port} --health /health --service-version 1.2.3 --tag blue --tag eu
    Then it exits with 0
    And it prints "cli-0 is registered."
    When I run gateway registry list
    Then it exits with 0
    And it prints a table with the columns Name, Type, URL, Status, Version, Weight and Health
    And it prints "http://{here}:{web_port}"
    When I run gateway registry list --type cli --service-version ~1.2 --health passing --tag eu
    Then it exits with 0
    And it prints "cli-0"
    When I run gateway registry list cli --service-version 2 -f value
    Then it exits with 0
    And it prints nothing
    When I run gateway registry update cli-0 --weight 5 --service-version 1.3.0
    Then it exits with 0
    And it prints "cli-0 is changed."
    When I run gateway registry update cli-0 --weight 5
    Then it exits with 0
    And it prints "cli-0 is so already."
    When I run gateway registry show cli-0 -f json
    Then it exits with 0
    And it prints ""weight": 5"
    And it prints ""version": "1.3.0""
    When I run gateway registry maintenance on cli-0 --reason "new disk"
    Then it exits with 0
    When I run gateway registry show cli-0
    Then it prints "maintenance"
    And it prints "new disk"
    When I run gateway registry maintenance off cli-0
    Then it exits with 0
    When I run gateway registry remove cli-0
    Then it exits with 0
    And it prints "cli-0 is removed."
    When I run gateway registry show cli-0
    Then it exits with 3
    And its error is one line that says "gateway.registry.instance_not_found"

  Scenario: The best, and why
    When a member adds the service bestcli 1.0.0 with the weight 1
    And a member adds the service bestcli 2.0.0 with the weight 0
    And I run gateway registry best bestcli --explain
    Then it exits with 0
    And it prints "bestcli-0: won"
    And it prints "bestcli-1: lost, weight: 0"
    When I run gateway registry best bestcli --key alice --service-version ~1 -f value -c name
    Then it exits with 0
    And it prints "bestcli-0"

  Scenario Outline: An error is one line
    When a member adds the service errcli 1
    And I run gateway registry <arguments>
    Then it exits with <code>
    And its error is one line that says "<says>"

    Examples:
      | arguments                       | code | says                                |
      | register errcli 127.0.0.1 80    | 1    | 127.0.0.1                           |
      | register errcli {here} 9        | 1    | gateway.registry.unhealthy          |
      | update errcli-7 --weight 1      | 3    | gateway.registry.instance_not_found |
      | update errcli-0 --weight 70000  | 1    | weight                              |
      | remove errcli-7                 | 3    | gateway.registry.instance_not_found |
      | maintenance on errcli-7         | 3    | gateway.registry.instance_not_found |
      | best errcli --service-version 9 | 3    | gateway.registry.none_matching      |
      | best errcli --balancer NOPE     | 1    | balancer                            |
      | list --service-version ~new     | 1    | gateway.registry.version            |

  Scenario: Changes, printed as they come
    Given gateway registry watch --type watched runs, and has printed "Changes after"
    When a member adds the service watched 1.0.0
    Then soon it has printed "created watched-0 passing http://"
    When a member calls DELETE /registry/service/watched-0
    Then soon it has printed "removed watched-0"
    When I press Ctrl-C there
    Then it exits with 130

  Scenario: An instance that reports by itself, and why it is as it is
    Given a web service clipulse whose health check is answered nothing
    When a member registers clipulse with the check {"kind": "ttl", "interval": 30}
    And I run gateway registry heartbeat clipulse-0 --critical --output "disk full"
    Then it exits with 0
    And it prints "clipulse-0 is critical."
    And soon "status" of GET /registry/service/clipulse-0 is "critical"
    And soon "readings.0.output" of GET /registry/service/clipulse-0/readings is "disk full"
    When I run gateway registry readings clipulse-0
    Then it exits with 0
    And it prints "disk full"
    When I run gateway registry show clipulse 0 -f value -c status
    Then it prints "critical"
    When I run gateway registry sign clipulse -f value -c token
    Then it exits with 0
    And it prints "eyJ"

  Scenario: As a plugin of OpenStackClient
    When I run openstack gateway registry list --type nobody -f json
    Then it exits with 0
    And it prints "[]"
    When I run openstack gateway flavor show no-such
    Then it exits with 1
    And its error is one line that says "gateway.flavor.not_found"
    When I run openstack gateway flavor list
    Then it exits with 0
    And it prints a table with the columns ID, Name, RAM, Disk and VCPUs

  Scenario: Wrong usage
    When I run gateway registry register errcli
    Then it exits with 2
    When I run gateway registry list a --type b
    Then it exits with 2
