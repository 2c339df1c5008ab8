@systemd @own_database
Feature: gatewayd as services of systemd
  On a Debian of its own, under its own systemd: installed by the commands of doc/source/operating.rst, from the wheel.

  Background:
    Given a machine on which the gateway is installed as the guide says

  Scenario: It is active once it serves, and has no rights that it does not need
    When its operator starts gateway
    Then it answers at once
    And gRPC is there at once
    And its processes are the user gateway's, with no capability and no way to one
    And what it keeps and its password are for nobody else to read
    And systemd finds every unit well-formed and little exposed

  Scenario: A reload brings what is changed, without a lost request; a stop ends it cleanly
    Given gateway runs
    When requests come all the time
    And its operator sets [api] max_limit = 1 and reloads gateway
    Then soon "flavors_links.0.rel" of GET /v1/flavors is "next"
    And none of the requests was lost
    When its operator stops gateway
    Then gateway has ended with 0

  Scenario: What ends by itself or hangs comes back
    Given its operator writes as a drop-in of gateway
      """
      [Service]
      WatchdogSec=5
      """
    And gateway runs
    When SIGKILL hits its API's first worker
    Then soon it serves again, with one other process
    When SIGKILL hits its first process
    Then soon it serves again, with all other processes
    When SIGSTOP hits its first process
    Then soon it serves again, with all other processes
    And the journal of gateway says "Watchdog timeout"

  Scenario: A unit for each role
    When its operator starts a unit for each role
    Then each unit runs its role alone
    And it answers at once
    And gRPC is there at once
