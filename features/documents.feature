@aio @admin @databases
Feature: The documents tell the truth
  What the pages in doc/source show is what happens. An example that is not run says why above itself; a page with a
  command elsewhere fails this.

  Scenario: Every example of the pages, run in order, prints what its page shows
    Given a gateway of the scenario's own, with a port for DNS and a database server to attach
    And a web service hello whose health check is answered 200
    When I run the console examples of the pages in doc/source
    Then each of them prints what is shown
