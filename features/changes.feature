Feature: What changes in the registry, told as it does
  One log of all changes, in the order in which they were made. Whoever is at an index is told what came after
  it, each change once: by asking and waiting for an answer, or as server-sent events.

  Scenario: Created, changed and removed
    Given a web service ledger whose health check is answered 200
    When a member calls GET /registry/changes
    Then the answer is 200
    And "changes" is []
    And "index" is remembered as start
    When a member registers ledger
    And a member calls GET /registry/changes?index={start}&type=ledger
    Then the answer is 200
    And "changes" are 1
    And each of "changes" has index, at, type, instance, change and service
    And "changes.0.change" is "created"
    And "changes.0.instance" is "ledger-0"
    And "changes.0.service.port" is {ledger_port}
    When a member calls PATCH /registry/service/ledger-0
      """
      {"weight": 9}
      """
    And a member calls DELETE /registry/service/ledger-0
    And a member calls GET /registry/changes?index={start}&type=ledger
    Then "changes" are 3
    And "changes.1.change" is "changed"
    And "changes.2.change" is "removed"
    And "changes.2.service" is null
    Given "changes.1.index" is remembered as second
    When a member calls GET /registry/changes?index={second}&type=ledger
    Then "changes" are 1
    When a member calls GET /registry/changes?index={start}&type=ledger&limit=2
    Then "changes" are 2
    And "index" is {second}

  Scenario: Asked for before it happens
    Given a web service sooner whose health check is answered 200
    When a member begins to call GET /registry/changes?wait=60&type=sooner
    And a member registers sooner
    Then what was begun is answered 200
    And "changes.0.instance" is "sooner-0"

  Scenario: Nothing happens
    When a member calls GET /registry/changes?wait=1&type=nothing
    Then the answer is 200
    And "changes" is []
    And "index" is not null

  Scenario: What the health checks find is a change
    Given a web service weak whose health check is answered 200
    When a member registers weak
    And a member listens to /registry/changes?type=weak
    And the health check of weak is answered 500 from now on
    Then it hears changed with instance weak-0

  Scenario: As events, and again from the last that was heard
    Given a web service radio whose health check is answered 200
    When a member listens to /registry/changes?type=radio
    And a member registers radio
    And a member calls PATCH /registry/service/radio-0
      """
      {"weight": 2}
      """
    Then it hears created with instance radio-0
    And it hears changed with instance radio-0
    When a member listens to /registry/changes?type=radio again, after event 1
    And a member calls DELETE /registry/service/radio-0
    Then it hears removed with instance radio-0
    And no event came twice or out of order
    And both have heard the same since

  @aio
  Scenario: Another project's changes are not seen
    Given a web service apart whose health check is answered 200
    When a member calls GET /registry/changes
    And "index" is remembered as start
    And a stranger registers apart
    And a member calls GET /registry/changes?index={start}&type=apart
    Then "changes" is []
    When a stranger calls GET /registry/changes?index={start}&type=apart
    Then "changes" are 1

  Scenario: From an index that never was
    When a member calls GET /registry/changes?index=900000000000
    Then the error is 410 gateway.registry.index_gone, which says "Read the instances anew"
    And its field is "index"
    And "oldest" is not null
    And "index" is not null

  Scenario Outline: What cannot be asked for
    When a member calls GET /registry/changes<query>
    Then the error is 400 gateway.request.<code>
    And its field is "<field>"

    Examples:
      | query         | code      | field |
      | ?index=last   | invalid   | index |
      | ?index=-1     | invalid   | index |
      | ?wait=601     | invalid   | wait  |
      | ?wait=soon    | invalid   | wait  |
      | ?type=a+type  | invalid   | type  |
      | ?limit=0      | invalid   | limit |
      | ?since=1      | parameter | since |

  Scenario: An id that no event has
    When a member listens to /registry/changes with Last-Event-ID: soon
    Then the error is 400 gateway.request.last_event_id
    And its field is "Last-Event-ID"
    When nobody calls GET /registry/changes
    Then the error is 401 gateway.auth.token

  Scenario: No more may wait than there are places, and who goes makes room
    Given a gateway of the scenario's own with these options
      | section | option      | value |
      | api     | workers     | 1     |
      | api     | max_waiters | 1     |
      | api     | heartbeat   | 0.5   |
    When a member listens to /registry/changes
    And a member calls GET /registry/changes?wait=60
    Then the error is 503 gateway.api.waiters
    And it has a header Retry-After
    When a member calls GET /registry/service/types
    Then the answer is 200
    When it listens no longer
    Then soon GET /registry/changes?wait=1 answers 200

  Scenario: A daemon that stops lets nobody wait
    Given a gateway of the scenario's own
    When a member begins to call GET /registry/changes?wait=600
    And a member listens to /registry/changes
    And the daemon is told to stop
    Then what was begun is answered 200
    And "changes" is []
    And the stream ends
    And the daemon ends with 0
