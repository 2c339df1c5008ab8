Feature: A deployment to look at
  The page's form is enough to deploy, and shows how it goes while it goes.

  @aio @chromium @servers
  Scenario: From the form to the address, step by step
    Given two servers that the gateway booted
    And what the page makes is cleared away
    And a member is logged in on the page
    When "Deploy a service" is opened
    And the field "Service" is filled with "notice"
    And the field "Command" is filled with "python3 -m http.server $PORT"
    And "A file, packages, environment, services it uses" is opened
    And the field "Its content" is filled with "seen by all"
    And "Servers that are there" is ticked
    And the shared server is ticked
    And "Deploy" is pressed
    Then the page is headed "notice 1.0.0"
    When the deployment that is shown is remembered
    Then the table "Steps" has ssh, upload, start, health and register
    And within minutes the page says "succeeded"
    And in the table "Steps" register says "done"
    And in the table "Instances" notice-0 says ":8080"
    And the page says "$ write files"
    And 1 of them answer /index.html with "seen by all"
    And this view lets everybody in: deployment
    When "Read its last 100 lines" is pressed
    Then the page says "GET /"
    When "Delete" is pressed
    And "Delete" is pressed in the dialog
    Then within minutes the page says "notice 1.0.0 is gone"
    And the browser has complained of nothing, save perhaps of answers of 404
