Feature: The registry for the tools that people have
  Prometheus, Consul's clients and anything that speaks DNS read the registry. The last two have ports of their own, which
  are off until they are set.

  Scenario: Prometheus discovers what to scrape
    Given a web service scraped whose health check is answered 200
    When a member calls POST /registry/service
      """
      {"proto": "http", "type": "scraped", "host": "{here}", "port": {scraped_port}, "version": "1.2", "tags": ["blue"]}
      """
    Then the answer is 201
    When a member calls GET /registry/facades/http_sd?type=scraped
    Then the answer is 200
    And the answer is [{"targets": ["{here}:{scraped_port}"], "labels": {"__scheme__": "http", "__meta_gateway_type": "scraped", "__meta_gateway_name": "scraped-0", "__meta_gateway_version": "1.2", "__meta_gateway_status": "passing", "__meta_gateway_weight": "1", "__meta_gateway_tags": ",blue,", "__meta_gateway_deployment_id": "", "__meta_gateway_server_id": ""}}]
    When a member calls GET /registry/facades/http_sd
    Then the answer is 200
    When a member calls GET /registry/facades/http_sd?types=scraped
    Then the error is 400 gateway.request.parameter

  Scenario: Prometheus needs no token where the network is enough
    Given a gateway of the scenario's own with the seed's variables
    When a client without a token calls HTTP GET /registry/facades/http_sd
    Then the answer is 200
    And the answer is []

  Scenario: py-consul finds services
    Given a gateway of the scenario's own with Consul's port, for the member's project
    And a web service web whose health check is answered 200
    And a web service sick whose health check is answered 200
    When a member calls POST /registry/service
      """
      {"proto": "http", "type": "web", "host": "{here}", "port": {web_port}, "version": "1.2", "tags": ["blue", "eu"],
       "weight": 3}
      """
    Then the answer is 201
    When a member calls POST /registry/service
      """
      {"proto": "http", "type": "web", "host": "{here}", "port": {sick_port}, "tags": ["green"]}
      """
    Then the answer is 201
    When a member calls PUT /registry/service/web-1/maintenance
      """
      {"enabled": true, "reason": "new disks"}
      """
    Then the answer is 200
    And py-consul's catalog.services has web with the tags blue, eu and green
    And py-consul's catalog.service of web names web-0 and web-1
    And py-consul's health.service of web names web-0 and web-1
    And py-consul's health.service of web, passing, names web-0
    And py-consul's health.service of web, tagged green, names web-1
    And py-consul's health.service of web, tagged red, names nothing
    And py-consul's health.service of unknown names nothing
    And py-consul sees web-0 at {here} port {web_port}, weight 3, passing
    And py-consul sees web-1 at {here} port {sick_port}, weight 1, critical

  @node
  Scenario: npm's consul finds and watches services
    Given a gateway of the scenario's own with Consul's port, for the member's project
    And a web service web whose health check is answered 200
    When a member calls POST /registry/service
      """
      {"proto": "http", "type": "web", "host": "{here}", "port": {web_port}, "tags": ["blue"]}
      """
    Then the answer is 201
    And npm's consul lists web with the tag blue, and watches web-0 go

  Scenario: py-consul waits for a change
    Given a gateway of the scenario's own with Consul's port, for the member's project
    And a web service late whose health check is answered 200
    When py-consul waits for another health.service of late
    And a member calls POST /registry/service
      """
      {"proto": "http", "type": "late", "host": "{here}", "port": {late_port}}
      """
    Then what py-consul waited for names late-0
    When py-consul waits for another health.service of late
    And py-consul waits 1 s for another health.service of other
    Then what py-consul waited for last is as it was

  @aio
  Scenario: A Keystone token chooses the project
    Given a gateway of the scenario's own with Consul's port
    And a web service theirs whose health check is answered 200
    When a stranger calls POST /registry/service
      """
      {"proto": "http", "type": "theirs", "host": "{here}", "port": {theirs_port}}
      """
    Then the answer is 201
    And py-consul with a stranger's token finds theirs
    And py-consul with a member's token does not find theirs
    And py-consul without a token is refused
    And the token of a stranger in a query is not in the log

  Scenario Outline: What Consul's clients must not ask
    Given a gateway of the scenario's own with Consul's port, for the member's project
    When a client of Consul's calls <method> <path>
    Then Consul's port answers <status>, which says "<says>"

    Examples:
      | method | path                                   | status | says           |
      | GET    | /v1/health/service/web?index=x         | 400    | Invalid index  |
      | GET    | /v1/health/service/web?index=1&wait=1w | 400    | Invalid wait   |
      | GET    | /v1/health/service/web?filter=a        | 400    | filter         |
      | GET    | /v1/health/service/web?colour=blue     | 400    | colour         |
      | GET    | /v1/health/service/web?dc=mars         | 500    | datacenter     |
      | PUT    | /v1/agent/service/register             | 405    | reading        |
      | GET    | /v1/kv/a                               | 404    |                |

  Scenario: dig finds services
    Given a gateway of the scenario's own with a DNS port
    And a web service web whose health check is answered 200
    And a web service spare whose health check is answered 200
    When a member calls POST /registry/service
      """
      {"proto": "http", "type": "web", "host": "{here}", "port": {web_port}, "weight": 7, "version": "1.2"}
      """
    And a member calls POST /registry/service
      """
      {"proto": "http", "type": "web", "host": "{here}", "port": {spare_port}}
      """
    And a member calls PUT /registry/service/web-1/maintenance
      """
      {"enabled": true}
      """
    Then the answer is 200
    And soon dig +short web.service.gateway A prints {here}
    And dig +short WEB.Service.Gateway A prints {here}
    And dig +tcp +short web.service.gateway A prints {here}
    And dig +short web.service.gateway SRV prints 1 7 {web_port} web-0.instance.gateway.
    And dig +short _web._tcp.service.gateway SRV prints 1 7 {web_port} web-0.instance.gateway.
    And dig +short web.service.gateway TXT prints "name=web-0" "proto=http" "version=1.2"
    And dig +short web-1.instance.gateway A prints {here}
    And dig +short web.service.gateway AAAA prints nothing
    And dig web.service.gateway AAAA has NOERROR, SOA and aa
    And dig web.service.gateway A has NOERROR, 5 and aa
    And dig nowhere.service.gateway A has NXDOMAIN, SOA and aa
    And dig example.com A has REFUSED and recursion requested but not available
    And dig gateway SOA has NOERROR, hostmaster.gateway. and aa

  Scenario: A DNS client that asks too often has to come by TCP
    Given a gateway of the scenario's own with a DNS port and [dns] max_rate = 1
    When dig asks 20 times for web.service.gateway by UDP
    Then dig is told at least once to come by TCP

  Scenario: DNS for one project needs one
    When I start a gatewayd with [dns] port = 5353
    Then it ends with 1 and says "[dns] project_id"
