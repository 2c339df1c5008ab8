@aio @container @own_database
Feature: The gateway in a container
  Its image is small and has nothing in it that only its making needs; it runs without privileges.

  Scenario: What is in the image
    Then the image is smaller than 400 MB
    And its user is 10001:10001, and its ports are 8790 and 8791
    And there is none of this in it
      | path                  |
      | */bin/pip*            |
      | */site-packages/pip   |
      | */setuptools          |
      | */bin/gcc*            |
      | */bin/cc              |
      | */bin/make            |
      | */bin/curl            |
      | */.git                |
      | */.*_history          |
      | */pip.conf            |
      | *.key                 |
      | */clouds.yaml         |
      | */gateway/tests*      |
      | /tmp/*                |
      | /var/lib/apt/lists/*  |
    And no program in it gives its user another's rights
    And its health command fails where no daemon runs and says "gatewayd is not well"

  Scenario: Configured by environment variables alone
    Given a gateway in a container, as who may write nothing but its volume
    When I run gateway flavor list
    Then it exits with 0
    And it prints "m1.tiny"
    And its health command succeeds
    When the daemon is told to stop
    Then the daemon ends with 0

  Scenario: docker-compose.yaml
    Given PostgreSQL and etcd on this machine, and a file of secrets that names a port of the API, too
    When I bring the service migrate of docker-compose.yaml up
    Then it makes the database, and ends with 0
    When I bring its roles up
    Then the health command of each role succeeds, soon
    And that of the role engine fails in the container of the role api
    And none of them may write to its root, or has any capability
    When I run gateway flavor list
    Then it exits with 0
    And it prints "m1.tiny"
    And a process that nobody waits for is gone once it has ended
    When I stop them
    Then each role has ended with 0
    And all that each printed is JSON
