@admin @databases
Feature: Services: databases of a project's own, on servers that an admin attaches
  An admin attaches servers of MariaDB, PostgreSQL and Redis as providers, with plans. A project has a service made
  of a type and a plan: a database, and a login that sees nothing else. Here they are real, and real clients log in.

  Scenario Outline: A database of one's own
    Given a <type> server with the plan free
    When a member calls POST /v1/services
      """
      {"service": {"type": "<type>", "plan": "free"}}
      """
    Then the answer is 201
    And "service.name" is like <type>-[0-9a-f]{8}
    And "service.status" is "ready"
    And "service.provider" is "the-<type>"
    And "service.credentials.<variable>" is like <type>://gw[0-9a-f]{16}b[0-9a-f]{8}:[^:@]{32}@127.0.0.1:[0-9]+/.+
    Given "service.name" is remembered as service
    And the credentials in "service.credentials" are those of mine
    And a stranger has a service neighbour of <type>
    When a client writes "mine" with the credentials of mine
    And a client writes "theirs" with the credentials of neighbour
    Then a client reads "mine" with the credentials of mine
    And a client with the credentials of mine cannot look into neighbour
    And no password of mine is in the daemon's files or its log
    When a member calls GET /v1/services/{service}
    Then the answer is 200
    And its header Cache-Control is no-store
    And "service" has id, type, plan, user, fault, created_at, updated_at and credentials
    And a client that is logged in with the credentials of mine is thrown out by DELETE /v1/services/{service}
    And no client can log in with the credentials of mine
    And a client reads "theirs" with the credentials of neighbour
    When a member calls GET /v1/services/{service}
    Then the error is 404 gateway.service.not_found

    Examples:
      | type       | variable       |
      | mysql      | MYSQL_URL      |
      | postgresql | POSTGRESQL_URL |
      | redis      | REDIS_URL      |

  Scenario Outline: New credentials, while the old ones still work
    Given a <type> server with the plan free
    And a member has a service shop of <type>
    When a member calls GET /v1/services/shop/bindings
    Then the answer is 200
    And "bindings" are 1
    Given "bindings.0.id" is remembered as old
    When a client writes "before" with the credentials of shop
    And a member calls POST /v1/services/shop/bindings
      """
      {}
      """
    Then the answer is 201
    And "binding.status" is "ready"
    Given the credentials in "binding.credentials" are those of new
    And "binding.id" is remembered as new
    Then a client writes "new" with the credentials of new
    And a client writes "old" with the credentials of shop
    And a client reads "before, new, old" with the credentials of new
    When a member calls GET /v1/services/shop/bindings/{old}
    Then the answer is 200
    And "binding.status" is "ready"
    And a client that is logged in with the credentials of shop is thrown out by DELETE /v1/services/shop/bindings/{old}
    And no client can log in with the credentials of shop
    And a client reads "before, new, old" with the credentials of new
    And a client with the credentials of new may alter what it reads
    When a member calls GET /v1/services/shop
    Then "service.credentials" has <variable>
    When a member calls GET /v1/services/shop/bindings/{old}
    Then the error is 404 gateway.binding.not_found
    When a member calls DELETE /v1/services/shop/bindings/{old}
    Then the error is 404 gateway.binding.not_found
    When a member calls DELETE /v1/services/shop
    Then the answer is 204
    And the <type> server has nothing of the broker's

    Examples:
      | type       | variable       |
      | mysql      | MYSQL_URL      |
      | postgresql | POSTGRESQL_URL |
      | redis      | REDIS_URL      |

  Scenario: New credentials in place of the old ones
    Given a redis server with the plan free
    And a member has a service cache of redis
    When a client writes "before" with the credentials of cache
    And a member calls POST /v1/services/cache/rotate
      """
      {}
      """
    Then the answer is 200
    And "service.rotation.status" is "succeeded"
    And "service.deployments" are 0
    And no client can log in with the credentials of cache
    Given the credentials in "service.credentials" are those of fresh
    Then a client reads "before" with the credentials of fresh
    When a member calls GET /v1/services/cache/bindings
    Then "bindings" are 1
    When a reader calls POST /v1/services/cache/rotate
      """
      {}
      """
    Then the error is 403 gateway.policy.forbidden
    When a member calls POST /v1/services/cache/rotate
      """
      {"keep": 5}
      """
    Then the error is 400 gateway.request.invalid
    When a member calls POST /v1/services/nowhere/rotate
      """
      {}
      """
    Then the error is 404 gateway.service.not_found

  Scenario Outline: Deployments cannot bind everything
    Given a redis server with the plan free
    And a member has a service cache of redis
    And a member has a service other of redis
    When a member calls POST /v1/deployments
      """
      {"deployment": {"service": "shop", "version": "1", "command": "true", "port": 8080, <members>,
        "server": {"flavor": "{flavor}", "image": "{image}", "network": "{network}"}}}
      """
    Then the error is <error>, which says "<says>"
    And its field is "<field>"

    Examples:
      | members                                         | error                             | says          | field             |
      | "bind": ["nowhere"]                             | 400 gateway.service.not_found     | nowhere       | deployment.bind   |
      | "bind": ["cache", "cache"]                      | 400 gateway.deployment.bind       | twice         | deployment.bind   |
      | "bind": ["cache", "other"]                      | 400 gateway.deployment.bind_clash | OTHER_        | deployment.bind   |
      | "bind": ["cache"], "env": {"REDIS_URL": "mine"} | 400 gateway.deployment.bind_clash | CACHE_        | deployment.bind   |
      | "bind": [{"service": "cache", "as": "A"}]       | 400 gateway.request.invalid       | prefix        | deployment.bind.0 |

  Scenario: A server that moves: services get credentials anew
    Given a redis server behind a proxy, with the plan free
    And a member has a service cache of redis
    And a redis server
    When an admin calls PUT /v1/providers/the-redis
      """
      {"provider": {"host": "127.0.0.1", "port": {redis_port}, "username": "{manager}",
        "plans": {"free": {"description": "One of many."}}}}
      """
    Then the answer is 200
    And "provider.plans.free.description" is "One of many."
    And soon "service.status" of GET /v1/services/cache is "ready"
    And "service.credentials.REDIS_URL" is like redis://[^@]+@127.0.0.1:{redis_port}/0
    Given the credentials in "service.credentials" are those of moved
    When a client writes "here" with the credentials of moved
    Then a client reads "here" with the credentials of cache

  Scenario Outline: What a plan limits
    Given a <type> server with the plan free: {"connections": 2, "statement_timeout": 0.5}
    And a member has a service small of <type>
    Then 2 clients with the credentials of small can be logged in at the same time
    And a client with the credentials of small cannot have a statement run for 20 s
    When a client writes "much" with the credentials of small
    Then soon the size of service small is more than 1000 bytes
    When an admin calls PUT /v1/providers/the-<type>
      """
      {"provider": {"host": "127.0.0.1", "port": {<type>_port}, "username": "{manager}",
        "plans": {"free": {"connections": 3, "statement_timeout": 0.5}, "big": {"connections": 5}}}}
      """
    Then the answer is 200
    And "provider.plans.free.connections" is 3
    And soon "service.status" of GET /v1/services/small is "ready"
    And 3 clients with the credentials of small can be logged in at the same time
    When a member calls PUT /v1/services/small
      """
      {"service": {"plan": "big"}}
      """
    Then the answer is 200
    And "service.plan" is "big"
    And 5 clients with the credentials of small can be logged in at the same time
    When an admin calls PUT /v1/providers/the-<type>
      """
      {"provider": {"host": "127.0.0.1", "port": {<type>_port}, "username": "{manager}", "plans": {"free": {}}}}
      """
    Then the error is 409 gateway.provider.plan_in_use, which says "big has services"
    And its field is "provider.plans"

    Examples:
      | type       |
      | mysql      |
      | postgresql |

  Scenario: Asked for again, it is the one that there is
    Given a redis server with the plan free
    And a member has a service cache of redis
    When a member calls POST /v1/services
      """
      {"service": {"type": "redis", "plan": "free", "name": "cache"}}
      """
    Then the answer is 200
    And its header Location has "/v1/services/cache"
    Given the credentials in "service.credentials" are those of again
    When a client writes "once" with the credentials of cache
    Then a client reads "once" with the credentials of again
    When a member calls POST /v1/services
      """
      {"service": {"type": "redis", "plan": "free", "name": "cache", "provider": "another"}}
      """
    Then the error is 409 gateway.service.name_taken
    And its field is "service.name"

  @aio
  Scenario: Each project has its own, and a reader sees no credentials
    Given a redis server with the plan free
    And a member has a service cache of redis
    And a stranger has a service cache of redis
    And a stranger has a service other of redis
    Then a client with the credentials of other cannot look into cache
    When a member calls GET /v1/services
    Then the answer is 200
    And one of "services" has name "cache"
    And none of "services" has name "other"
    And the answer never mentions "redis://"
    When a member calls GET /v1/services/other
    Then the error is 404 gateway.service.not_found
    When a member calls PUT /v1/services/other
      """
      {"service": {"plan": "free"}}
      """
    Then the error is 404 gateway.service.not_found
    When a member calls DELETE /v1/services/other
    Then the error is 404 gateway.service.not_found
    When a member calls GET /v1/services/other/bindings
    Then the error is 404 gateway.service.not_found
    When a member calls POST /v1/services/other/bindings
      """
      {}
      """
    Then the error is 404 gateway.service.not_found
    When a reader calls GET /v1/services/cache
    Then the answer is 200
    And the answer never mentions "credentials"
    When a reader calls DELETE /v1/services/cache
    Then the error is 403 gateway.policy.forbidden
    When nobody calls GET /v1/services
    Then the error is 401 gateway.auth.token

  Scenario: Lists in pages, and by who asked and where it is
    Given a redis server with the plan free
    And a member has a service one of redis
    And a member has a service two of redis
    When a member calls GET /v1/services?limit=1
    Then "services.0.name" is "one"
    And "services_links.0.href" says "limit=1&marker=one"
    When a member calls GET /v1/services?limit=1&marker=one
    Then "services.0.name" is "two"
    Given "services.0.user" is remembered as me
    When a member calls GET /v1/services?user={me}&provider=the-redis
    Then "services" are 2
    When a member calls GET /v1/services?provider=another
    Then "services" are 0
    When a member calls GET /v1/services?user=somebody
    Then "services" are 0
    When a member calls POST /v1/services/one/bindings
      """
      {}
      """
    And a member calls GET /v1/services/one/bindings?limit=1
    Then "bindings" are 1
    And "bindings_links.0.href" says "limit=1&marker="
    When a member calls GET /v1/providers?limit=1
    Then "providers.0.name" is "the-redis"

  Scenario: Providers are the admin's; everybody sees what they offer
    Given a redis server
    When an admin calls POST /v1/providers
      """
      {"provider": {"name": "cache", "type": "redis", "host": "127.0.0.1", "port": {redis_port},
        "username": "{manager}", "password": "{password}", "plans": {"free": {}}}}
      """
    Then the answer is 201
    And its header Location has "/v1/providers/cache"
    And "provider.username" is "{manager}"
    And "provider.services" is 0
    And the answer never mentions "{password}"
    When an admin calls POST /v1/providers
      """
      {"provider": {"name": "cache", "type": "redis", "host": "127.0.0.1", "port": {redis_port},
        "username": "{manager}", "password": "{password}", "plans": {"free": {}}}}
      """
    Then the error is 409 gateway.provider.name_taken
    When a member calls GET /v1/providers
    Then the answer is 200
    And each of "providers" has name, type, host, port, offers, plans and status
    And "providers.0.offers.redis.free" is {}
    And the answer never mentions "{manager}"
    When a member calls GET /v1/providers/cache
    Then the answer is 200
    And the answer never mentions "{manager}"
    When a member calls DELETE /v1/providers/cache
    Then the error is 403 gateway.policy.forbidden
    When a member has a service mine of redis
    And an admin calls DELETE /v1/providers/cache
    Then the error is 409 gateway.provider.in_use, which says "cache has 1 service"
    When an admin calls DELETE /v1/providers/cache?force=true
    Then the answer is 202
    And "provider.status" is "deleting"
    And soon the redis server has nothing of the broker's
    And no client can log in with the credentials of mine
    And soon GET /v1/providers/cache answers 404
    When a member calls GET /v1/services/mine
    Then the error is 404 gateway.service.not_found
    When an admin calls DELETE /v1/providers/cache
    Then the error is 404 gateway.provider.not_found

  Scenario Outline: Providers that are refused
    Given a <type> server
    When an admin calls POST /v1/providers
      """
      {"provider": {"name": "refused", "type": "<type>", "host": "127.0.0.1", "port": {<type>_port},
        "username": "{manager}", "password": "{password}", "plans": {"free": {}}, <member>}}
      """
    Then the error is <error>
    And its field is "<field>"
    When an admin calls GET /v1/providers
    Then "providers" are 0

    Examples:
      | type  | member                                | error                           | field                               |
      | redis | "name": "Two words"                   | 400 gateway.request.invalid     | provider.name                       |
      | redis | "type": "oracle"                      | 400 gateway.request.invalid     | provider.type                       |
      | redis | "host": "not a host"                  | 400 gateway.provider.host       | provider.host                       |
      | redis | "host": "127.0.0.2"                   | 400 gateway.provider.host       | provider.host                       |
      | redis | "host": "169.254.169.254"             | 400 gateway.provider.host       | provider.host                       |
      | redis | "port": 0                             | 400 gateway.request.invalid     | provider.port                       |
      | redis | "username": ""                        | 400 gateway.request.invalid     | provider.username                   |
      | redis | "plans": {}                           | 400 gateway.request.invalid     | provider.plans                      |
      | redis | "plans": {"free": {"size": 1}}        | 400 gateway.request.invalid     | provider.plans.free                 |
      | redis | "plans": {"free": {"connections": 1}} | 400 gateway.provider.limit      | provider.plans.free.connections     |
      | mysql | "plans": {"x": {"connections": 0}}    | 400 gateway.request.invalid     | provider.plans.x.connections        |
      | redis | "plans": {"x": {"description": 1}}    | 400 gateway.request.invalid     | provider.plans.x.description        |
      | redis | "colour": "red"                       | 400 gateway.request.invalid     | provider                            |
      | redis | "url": "http://192.0.2.1"             | 400 gateway.request.invalid     | provider.url                        |
      | redis | "ca": "-----BEGIN CERTIFICATE-----"   | 400 gateway.provider.ca         | provider.ca                         |

  Scenario Outline: Providers that are not there, or do not let the broker in
    Given a <type> server
    When an admin calls POST /v1/providers
      """
      {"provider": {"name": "refused", "type": "<type>", "host": "127.0.0.1", "port": {<type>_port},
        "username": "{manager}", "password": "{password}", "plans": {"free": {}}, <member>}}
      """
    Then the error is 502 <code>
    And the answer never mentions "{password}"
    When an admin calls GET /v1/providers
    Then "providers" are 0

    Examples:
      | type       | member              | code                         |
      | mysql      | "port": 1           | gateway.provider.unreachable |
      | postgresql | "port": 1           | gateway.provider.unreachable |
      | redis      | "port": 1           | gateway.provider.unreachable |
      | mysql      | "password": "wrong" | gateway.provider.refused     |
      | postgresql | "password": "wrong" | gateway.provider.refused     |
      | redis      | "password": "wrong" | gateway.provider.refused     |

  Scenario: What cannot be asked of services and providers
    Given a redis server with the plan free
    When a member calls POST /v1/services
      """
      {"service": {"type": "oracle", "plan": "free"}}
      """
    Then the error is 400 gateway.service.type, which says "there is redis"
    And its field is "service.type"
    When a member calls POST /v1/services
      """
      {"service": {"type": "redis", "plan": "huge"}}
      """
    Then the error is 400 gateway.service.plan, which says "there is free"
    And its field is "service.plan"
    When a member calls POST /v1/services
      """
      {"service": {"type": "redis", "plan": "free", "provider": "another"}}
      """
    Then the error is 400 gateway.service.provider, which says "there is the-redis"
    And its field is "service.provider"
    When a member calls POST /v1/services
      """
      {"service": {"type": "redis", "plan": "free", "name": "No"}}
      """
    Then the error is 400 gateway.request.invalid
    And its field is "service.name"
    When a member calls POST /v1/services
      """
      {"service": {"type": "redis", "plan": "free", "colour": "red"}}
      """
    Then the error is 400 gateway.request.invalid
    And its field is "service"
    When a member calls GET /v1/services
    Then "services" are 0
    When a member has a service cache of redis
    And a member calls PUT /v1/services/cache
      """
      {"service": {"plan": "huge"}}
      """
    Then the error is 400 gateway.service.plan, which says "there is free"
    When a member calls GET /v1/services?colour=red
    Then the error is 400 gateway.request.parameter
    And its field is "colour"
    When a member calls POST /v1/services/cache/bindings
      """
      {"user": "me"}
      """
    Then the error is 400 gateway.request.invalid
    When an admin calls DELETE /v1/providers/the-redis?force=perhaps
    Then the error is 400 gateway.request.invalid
    And its field is "force"
    When an admin calls PUT /v1/providers/the-redis
      """
      {"provider": {"type": "mysql", "host": "127.0.0.1", "username": "{manager}", "plans": {"free": {}}}}
      """
    Then the error is 400 gateway.provider.type
    And its field is "provider.type"
    When a member calls PUT /v1/providers/the-redis
      """
      {"provider": {"host": "127.0.0.1", "username": "{manager}", "plans": {"free": {}}}}
      """
    Then the error is 403 gateway.policy.forbidden
    When an admin calls PUT /v1/providers/the-redis
      """
      {"provider": {"username": "{manager}", "plans": {"free": {}}}}
      """
    Then the error is 400 gateway.request.invalid, which says "redis needs one"
    And its field is "provider.host"
    When an admin calls PUT /v1/providers/another
      """
      {"provider": {"host": "127.0.0.1", "username": "{manager}", "plans": {"free": {}}}}
      """
    Then the error is 404 gateway.provider.not_found

  Scenario: As many as a project may have: five here, of three bindings each
    Given a redis server with the plan free
    And a member has a service one of redis
    And a member has a service two of redis
    And a member has a service three of redis
    And a member has a service four of redis
    And a member has a service five of redis
    When a member calls POST /v1/services
      """
      {"service": {"type": "redis", "plan": "free"}}
      """
    Then the error is 403 gateway.service.too_many
    When a member calls POST /v1/services/one/bindings
      """
      {}
      """
    And a member calls POST /v1/services/one/bindings
      """
      {}
      """
    Then the answer is 201
    When a member calls POST /v1/services/one/bindings
      """
      {}
      """
    Then the error is 403 gateway.binding.too_many

  Scenario Outline: A provider that is down
    Given a <type> server behind a proxy, with the plan free
    When the proxy of <type> goes away
    And a member calls POST /v1/services
      """
      {"service": {"type": "<type>", "plan": "free", "name": "late"}}
      """
    Then the error is 502 gateway.provider.unreachable, which says "Connection refused"
    When a member calls GET /v1/services/late
    Then "service.status" is "reverting"
    And "service.fault.code" is "gateway.provider.unreachable"
    And "service.credentials" is null
    When a member calls POST /v1/services
      """
      {"service": {"type": "<type>", "plan": "free", "name": "late"}}
      """
    Then the error is 409 gateway.service.busy
    When the proxy of <type> comes back
    Then soon "service.status" of GET /v1/services/late is "failed"
    And "service.fault.code" is "gateway.provider.unreachable"
    And the <type> server has nothing of the broker's
    When a member calls POST /v1/services
      """
      {"service": {"type": "<type>", "plan": "free", "name": "late"}}
      """
    Then the answer is 201

    Examples:
      | type       |
      | mysql      |
      | postgresql |
      | redis      |

  Scenario: Providers that do it and never say so
    Given a gateway of the scenario's own with [broker] timeout = 3
    And a mysql server behind a proxy, with the plan free
    And a postgresql server behind a proxy, with the plan free
    And a redis server behind a proxy, with the plan free
    And answers of mysql get lost once it is told to "CREATE DATABASE"
    And answers of postgresql get lost once it is told to "LOGIN PASSWORD"
    And answers of redis get lost once it is told to "SETUSER"
    When a member begins to have a service of-redis of redis
    And a member begins to have a service of-postgresql of postgresql
    And a member calls POST /v1/services
      """
      {"service": {"type": "mysql", "plan": "free", "name": "of-mysql"}}
      """
    Then the error is 504 gateway.provider.timeout, which says "did not answer within 3 s"
    And answers of mysql, postgresql and redis have got lost
    When answers come through again
    Then soon "service.status" of GET /v1/services/of-mysql is "failed"
    And soon "service.status" of GET /v1/services/of-postgresql is "failed"
    And soon "service.status" of GET /v1/services/of-redis is "failed"
    And "service.fault.code" is "gateway.provider.timeout"
    And no server has anything of the broker's
    When a member calls DELETE /v1/services/of-mysql
    Then the answer is 204

  Scenario: The gateway is killed when servers have done it and not yet answered
    Given a gateway of the scenario's own
    And a mysql server behind a proxy, with the plan free
    And a postgresql server behind a proxy, with the plan free
    And a redis server behind a proxy, with the plan free
    And answers of mysql get lost once it is told to "CREATE DATABASE"
    And answers of postgresql get lost once it is told to "CREATE DATABASE"
    And answers of redis get lost once it is told to "SETUSER"
    When a member begins to have a service of-mysql of mysql
    And a member begins to have a service of-postgresql of postgresql
    And a member begins to have a service of-redis of redis
    Then answers of mysql, postgresql and redis have got lost
    When the daemon is killed
    And answers come through again
    And the daemon is started again
    Then the services of-mysql, of-postgresql and of-redis are soon ready, and clients log in
    And the mysql server has 1 database of the broker's
    And the postgresql server has 1 database of the broker's
    Given answers of mysql get lost once it is told to "DROP USER"
    And answers of postgresql get lost once it is told to "DROP DATABASE"
    And answers of redis get lost once it is told to "DELUSER"
    When a member begins to call DELETE /v1/services/of-mysql
    And a member begins to call DELETE /v1/services/of-postgresql
    And a member begins to call DELETE /v1/services/of-redis
    Then answers of mysql, postgresql and redis have got lost
    When the daemon is killed
    And answers come through again
    And the daemon is started again
    Then soon GET /v1/services/of-mysql answers 404
    And soon GET /v1/services/of-postgresql answers 404
    And soon GET /v1/services/of-redis answers 404
    And no server has anything of the broker's

  Scenario: On the command line
    Given a mysql server
    And a file password_file with its manager's password
    When I run gateway --os-cloud admin provider create maria --type mysql --host 127.0.0.1 --port {mysql_port} --username {manager} --password-file {password_file} --plan free,connections=2 --plan big
    Then it exits with 0
    And it prints "free,connections=2"
    When I run gateway provider list
    Then it exits with 0
    And it prints a table with the columns Name, Type, Address, Offers and Status
    When I run gateway service create mysql --plan free --name shop -f value -c MYSQL_URL
    Then it exits with 0
    And it prints "mysql://gw"
    When I run gateway service list --provider maria
    Then it exits with 0
    And it prints a table with the columns Name, Type, Plan, Provider, Status and Created At
    When I run gateway service update shop --plan big -f value -c plan
    Then it exits with 0
    And it prints "big"
    When I run gateway service binding create shop
    Then it exits with 0
    And it prints "mysql://gw"
    When I run gateway service binding list shop
    Then it exits with 0
    And it prints a table with the columns ID, Status and Created At
    When a member calls GET /v1/services/shop/bindings
    And "bindings.0.id" is remembered as old
    And I run gateway service binding show shop {old}
    Then it exits with 0
    And it prints "b{old}:"
    When I run gateway service binding delete shop {old}
    Then it exits with 0
    And it prints "binding {old} is deleted."
    When I run gateway service rotate shop
    Then it exits with 0
    And it prints "shop has new credentials: binding "
    When I run gateway service show shop
    Then it exits with 0
    And it prints "mysql://gw"
    When I run gateway --os-cloud admin provider update maria --no-plan free --plan big,statement_timeout=5
    Then it exits with 0
    And it prints "big,statement_timeout=5"
    When I run gateway provider show maria
    Then it exits with 0
    And it prints "big,statement_timeout=5"
    When I run gateway --os-cloud admin provider delete maria
    Then it exits with 1
    And its error is one line that says "maria has 1 service"
    When I run gateway service delete shop
    Then it exits with 0
    And it prints "shop is deleted."
    When I run gateway --os-cloud admin provider delete maria
    Then it exits with 0
    And it prints "maria is deleted."
