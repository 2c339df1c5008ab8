Feature: The command line
  The same, for people: `gateway` reads clouds.yaml and OS_* as every OpenStack client does.

  Scenario: What a server can be made of, as tables
    When I run gateway flavor list
    Then it exits with 0
    And it prints a table with the columns ID, Name, RAM, Disk and VCPUs
    And it prints "{flavor}"
    When I run gateway image list
    Then it exits with 0
    And it prints "{image}"
    When I run gateway network list
    Then it exits with 0
    And it prints "{network}"

  Scenario: The same as JSON, for scripts
    When I run gateway flavor list -f json
    Then it exits with 0
    And what it prints is JSON

  @servers
  Scenario: Servers
    Given two servers that the gateway booted
    When I run gateway server list
    Then it exits with 0
    And it prints "{server_0}"
    And it prints "ACTIVE"
    When I run gateway server show {server_0}
    Then it exits with 0
    And it prints "{network}="

  Scenario: A server, booted and deleted
    Given the command line may make things
    When I run gateway server create by-hand --flavor {flavor} --image {image} --network {network}
    Then it exits with 0
    And it prints "by-hand"
    When I run gateway server delete --wait by-hand
    Then it exits with 0
    And nothing is left of it in Nova, Neutron and Keystone

  @servers
  Scenario: A service from its file to curl, and back
    Given two servers that the gateway booted
    And the command line may make things
    And a folder with the example hello, to be deployed to {server_0}
    When I run gateway deploy {folder}/service.yaml
    Then it exits with 0
    And it prints "Uploaded"
    And it prints "ssh"
    And it prints "health"
    And it prints "hello 1.0.0 runs."
    And it prints "hello-0"
    When I run gateway deployment list
    Then it exits with 0
    And it prints "succeeded"
    When I run gateway deployment show hello
    Then it exits with 0
    And it prints "register #0: done"
    When I run gateway deployment log hello
    Then it exits with 0
    And it prints "start 1.0.0-1"
    When I run gateway registry list
    Then it exits with 0
    And it prints "hello-0"
    When I run gateway registry best hello -f json
    Then it exits with 0
    And the service that it names answers / with "Hello from"
    When I run gateway deployment delete hello
    Then it exits with 0
    And it prints "gone"
    And nothing is left of it in Nova, Neutron and Keystone

  @servers
  Scenario: A deployment that fails is told with its reason
    Given two servers that the gateway booted
    And the command line may make things
    And a folder with the example hello, to be deployed to {server_0}
    And its command is false
    When I run gateway deploy {folder}/service.yaml
    Then it exits with 1
    And its error ends with one line that says "exited with status 1"

  @servers
  Scenario: An update, one that fails, the way back, and one that is thought better of
    Given two servers that the gateway booted
    And the command line may make things
    And a folder with the example hello, to be deployed to {server_0}
    When on a terminal of 60 columns I run gateway deploy {folder}/service.yaml
    Then it exits with 0
    And it prints "━━━"
    And it prints "upload"
    And no line of it with "━" is longer than 60
    And it prints "hello 1.0.0 runs."
    Given its file says
      """
      version: 2.0.0
      """
    When I run gateway deploy {folder}/service.yaml --watch
    Then it exits with 0
    And it prints "Deploying hello 1.0.0 → 2.0.0, release 2, batches of 1"
    And it prints "start #0: $ start 2.0.0-2"
    And it prints "hello 2.0.0 runs."
    And it does not print "$ start 1.0.0-1"
    Given its file says
      """
      version: 3.0.0
      command: echo closed on sundays; exit 4
      """
    When I run gateway deploy {folder}/service.yaml
    Then it exits with 1
    And its error says "Journal of the service on server #0:"
    And its error says "closed on sundays"
    And its error says "Console of server #0:"
    And its error ends with one line that says "hello 3.0.0 failed at health on server #0"
    And its error ends with one line that says "; 2.0.0 runs again"
    When I run gateway deployment show hello
    Then it exits with 0
    And it prints "3: 3.0.0 (failed)"
    And it prints "closed on sundays"
    When I run gateway deployment rollback hello
    Then it exits with 0
    And it prints "Going back: hello 2.0.0 → 1.0.0, release 4, batches of 1"
    And it prints "hello 1.0.0 runs again."
    Given its file says
      """
      version: 4.0.0
      setup: sleep 60
      """
    When I press Ctrl-C once gateway deploy {folder}/service.yaml prints "install        #0  running"
    Then it exits with 130
    And its error says "goes on"
    And its error says "gateway deployment cancel"
    When I run gateway deployment cancel hello
    Then it exits with 0
    And it prints "hello 4.0.0 was taken back; 1.0.0 runs again."
    When I run gateway deployment list
    Then it exits with 0
    And it prints "rolled_back"

  Scenario: A first service from nothing, its journal, and a shell beside it
    Given I am in an empty folder
    And a key of mine, which Nova knows as {mine}
    And the command line may make things
    When I run gateway init --flavor {flavor} --image {image} --network {network}
    Then it exits with 0
    Given its file says
      """
      server: {flavor: "{flavor}", image: "{image}", network: "{network}", key_name: "{mine}"}
      secrets: {PASSWORD: the-secret-word}
      command: echo the-secret-word; exec python3 -u app.py
      """
    When I run gateway deploy
    Then it exits with 0
    And it prints "hello 1.0.0 runs."
    When I run gateway logs hello
    Then it exits with 0
    And it prints "GET /health"
    And it prints " ***"
    And it does not print "the-secret-word"
    Given gateway logs -f hello 0 --lines 1 runs, and has printed "GET /health"
    When I press Ctrl-C there
    Then it exits with 130
    When I run gateway ssh hello -i {folder}/key -- hostname --short
    Then it exits with 0
    And it prints "hello-"
    When I run gateway ssh hello 0 -i {folder}/key -- exit 7
    Then it exits with 7
    When I run gateway ssh hello 5
    Then it exits with 3
    When I run gateway deployment show hello -f value -c id
    Then what it prints is remembered as deployment
    When a member calls GET /v1/deployments/{deployment}/journal?lines=2
    Then the answer is 200
    And "journal.1" has at, text and id
    When a member calls GET /v1/deployments/{deployment}/journal?instance=5
    Then the error is 404 gateway.deployment.instance_not_found
    When a member calls GET /v1/deployments/{deployment}/journal?lines=0
    Then the error is 400 gateway.request.invalid
    When a reader calls GET /v1/deployments/{deployment}/journal
    Then the error is 403 gateway.policy.forbidden
    When I run gateway deployment delete hello
    Then it exits with 0
    And nothing is left of it in Nova, Neutron and Keystone

  @aio
  Scenario: Another project's journal is not there
    When a stranger calls GET /v1/deployments/00000000-0000-4000-8000-000000000000/journal
    Then the error is 404 gateway.deployment.not_found

  Scenario Outline: An error is one line
    When I run gateway <arguments>
    Then it exits with <code>
    And its error is one line that says "<says>"

    Examples:
      | arguments                                                                       | code | says                     |
      | server create x --flavor nope --image {image} --network {network}               | 1    | nope                     |
      | server show no-such-server                                                      | 3    | gateway.server.not_found |
      | deployment show no-such                                                         | 3    | no-such                  |
      | deploy /no/such/file.yaml                                                       | 1    | /no/such/file.yaml       |
      | deployment cancel no-such                                                       | 3    | no-such                  |
      | deployment rollback no-such                                                     | 3    | no-such                  |
      | registry best nobody                                                            | 3    | nobody                   |
      | --gateway-url http://127.0.0.1:9 flavor list                                    | 5    | 127.0.0.1:9              |
      | --os-cloud no-such-cloud flavor list                                            | 1    | no-such-cloud            |

  Scenario: Wrong usage
    When I run gateway server create
    Then it exits with 2
