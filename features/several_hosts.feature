@databases @etcd @own_database
Feature: More than one machine
  Any number of gateways work together on one PostgreSQL or MariaDB, and find each other by etcd or Redis. `make
  several` has the whole table of faults, on hosts of network namespaces.

  Scenario: Of two monitors one is killed, and the other stands still
    Given two gateways that share a PostgreSQL and an etcd
    And 20 services that are checked each second
    When the first gateway is killed
    Then all of them are checked again within 15 seconds
    When one of them dies
    Then it is told as critical, and no other is
    When the first gateway is started again, and the second one stands still
    Then all of them are checked again within 15 seconds
    When the second gateway goes on
    Then all of them are checked again within 15 seconds
    And no other is told as critical

  Scenario: On one machine there is one engine and one monitor
    Given a gateway of the scenario's own
    When another gateway is started on its database
    Then it is refused, saying "another gatewayd on this machine has the role"
