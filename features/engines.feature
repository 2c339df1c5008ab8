Feature: Several engines
  Any number of them share the deployments out, over PostgreSQL or MariaDB, by TaskFlow's jobboard on etcd or Redis
  ([coordination] backend_url). Without these there is one, and a second one does not start.

  Scenario: A second engine on the same database is refused
    Given a gateway of the scenario's own
    When another gatewayd starts with its configuration and the role engine
    Then it exits with 1
    And its error ends with one line that says "has the role engine of this database"
    And the daemon still runs
