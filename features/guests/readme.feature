Feature: README tells the truth
  What README shows is what happens.

  Scenario: Every example of README.md, run in order, prints what README shows
    Given the command line may make things
    When I run the console examples of README.md
    Then each of them prints what is shown
