@aio @admin @databases @own_database
Feature: The DevStack plugin
  `enable_plugin gateway URL` in local.conf. DevStack itself wants the Internet; harness/devstack.sh does here what
  DevStack does with a plugin, on a cloud that runs.

  Scenario: Stacked, used, stacked again with uWSGI, unstacked and cleaned
    Given a DevStack whose local.conf enables the plugin
    When stack.sh is run
    Then it has done so
    And the four units run, the API by gatewayd
    And Keystone has its service, a public, an internal and an admin endpoint, and its user
    And gateway.conf has [deploy] max_replicas = 7
    When its user runs openstack gateway flavor list
    Then it exits with 0
    And it prints "{flavor}"
    When stack.sh is run with GATEWAY_USE_UWSGI=True
    Then it has done so
    And the four units run, the API by uwsgi
    And Keystone has its service, a public, an internal and an admin endpoint, and its user
    When its user runs openstack gateway flavor show no-such-flavor
    Then it exits with 1
    And its error is one line that says "gateway.flavor.not_found"
    When unstack.sh is run
    Then it has done so
    And no unit runs, and Keystone has nothing of it
    When clean.sh is run
    Then it has done so
    And nothing of it is left: no database, no configuration, no state

  Scenario: What cannot be is said before anything is done
    Given a DevStack whose local.conf enables the plugin
    Then stack.sh ends with 1 and one line where local.conf has these
      | setting                                | says                                                     |
      | ENABLED_SERVICES=key,n-api,g-api,q-svc | a database must be enabled in local.conf, one of: mysql  |
      | disable_service g-api                  | the service g-api must be enabled                        |
      | GATEWAY_PORT=http                      | GATEWAY_PORT must be a port, 1 to 65535, and is 'http'   |
      | GATEWAY_RPC_PORT=$GATEWAY_PORT         | GATEWAY_PORT and GATEWAY_RPC_PORT are both               |
    And no unit runs, and Keystone has nothing of it
