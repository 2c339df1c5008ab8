Feature: A page to look at
  Who would rather look than type opens /ui/ in a browser, and logs in as everywhere in OpenStack. The page has what
  the command line has: launch options, servers, deployments and their steps, the registry, services.

  Scenario: The page is the gateway's own, and may ask nobody else
    When nobody calls GET /ui/ with Accept: text/html
    Then a page is shown that has "/ui/main.js"
    And its header Content-Security-Policy has "default-src 'none'; script-src 'self'; style-src 'self';"
    And its header Content-Security-Policy has "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    And its header Referrer-Policy is no-referrer
    When nobody calls GET /ui/main.js
    Then a script is shown
    When nobody calls GET /ui/passwd
    Then the error is 404 gateway.ui.not_found

  Scenario: Only this page logs in, and not by a wrong password
    When nobody calls GET /v1/session
    Then "session" is null
    When nobody calls POST /v1/session
      """
      {"session": {"username": "demo", "password": "wrong"}}
      """
    Then the error is 400 gateway.session.header, which says "X-Gateway-Page"
    When nobody calls POST /v1/session with X-Gateway-Page: 1
      """
      {"session": {"username": "demo", "password": "wrong"}}
      """
    Then the error is 401 gateway.session.refused, which says "demo of the domain Default"
    When nobody calls POST /v1/session with X-Gateway-Page: 1
      """
      {"session": {"username": "demo", "password": ""}}
      """
    Then the error is 400 gateway.request.invalid
    And its field is "session.password"
    When nobody calls DELETE /v1/session
    Then the answer is 204

  @aio @chromium
  Scenario: Logged in, until one logs out
    Given a browser that shows the page
    Then the page is headed "Log in"
    And this view lets everybody in: log-in
    When a member logs in on the page by the password "not-this-one"
    Then the page says "of the domain Default in with this password"
    And the browser has complained of nothing but answers of 401
    When a member logs in on the page
    Then the page is headed "Deployments"
    And no script can read a token
    When the page is loaded anew
    Then the page is headed "Deployments"
    When "Log out" is pressed
    Then the page says "You are logged out."
    When the page is loaded anew
    Then the page is headed "Log in"
    And the browser has complained of nothing

  @aio @chromium
  Scenario: By keyboard alone
    Given a browser that shows the page
    When a member types the user name, Tab, the password, Tab, Tab, the project and Enter
    Then the focus is on "Deployments"
    When the page is loaded anew
    Then the page is headed "Deployments"
    When Tab is pressed until "Launch options" has the focus
    And the keys Enter are pressed
    Then the focus is on "Launch options"
    And the table "Flavors" has {flavor}
    And the table "Images" has {image}
    And the table "Networks" has {network}
    And the browser has complained of nothing

  @aio @chromium
  Scenario: A form says what is wrong where it is
    Given a member is logged in on the page
    When "Deploy" is opened
    And "Deploy" is pressed
    Then the field "Service" is told to be wrong: "This is needed."
    When the field "Service" is filled with "Shop"
    And the field "Command" is filled with "python3 app.py"
    And "{small_flavor} " is chosen for "Flavor"
    And "{image}" is chosen for "Image"
    And "{network}" is chosen for "Network"
    And "Deploy" is pressed
    Then the field "Service" is told to be wrong: "A service is named with a-z, 0-9 and -"
    And this view lets everybody in: deploy-wrong
    When the field "Service" is filled with "shop"
    And "Deploy" is pressed
    Then the field "Flavor" is told to be wrong: "needs at least"
    And the browser has complained of nothing but answers of 400

  @aio @chromium
  Scenario: The registry as it changes, and why one is the best
    Given a web service shop whose health check is answered 200
    And a web service more whose health check is answered 200
    And a member is logged in on the page
    When "Registry" is opened
    Then the page is headed "Registry"
    When a member registers shop
    Then in the table "Service types" shop says "passing"
    When "shop" is opened
    Then the table "Instances" has shop-0
    When a member registers more as another shop
    Then the table "Instances" has shop-0 and shop-1
    When "Take out shop-1" is pressed
    Then in the table "Instances" shop-1 says "maintenance"
    When "Ask for the best" is pressed
    Then the page says "The best now: shop-0"
    And in the table "Why" shop-0 says "yes"
    And in the table "Why" shop-1 says "in maintenance"
    And this view lets everybody in: registry-best
    When "Take out shop-0" is pressed
    Then in the table "Instances" shop-0 says "maintenance"
    When "Ask for the best" is pressed
    Then the page says "is passing with a weight above 0"
    And the browser has complained of nothing but answers of 503
    And each of these views lets everybody in, in light and dark, wide and narrow
      | view               | title          |
      | #/deployments      | Deployments    |
      | #/deploy           | Deploy a service |
      | #/servers          | Servers        |
      | #/registry         | Registry       |
      | #/instances/shop-0 | shop-0         |
      | #/launch           | Launch options |
    And the browser has complained of nothing

  @admin @databases @chromium
  Scenario: A database made, bound and deleted
    Given a redis server with the plan free
    And a member is logged in on the page
    When "Services" is opened
    Then the table "Catalogue" has redis
    When the field "Name" is filled with "cache"
    And "Have it made" is pressed
    Then the page is headed "cache"
    And the credentials that are shown are those of first
    When a client writes "here" with the credentials of first
    And "Bind: another login" is pressed
    Then there are 2 rows in the table "Logins"
    And the page says "Of login"
    And the credentials that are shown are those of second
    And a client reads "here" with the credentials of second
    And this view lets everybody in: service
    When "Delete" is pressed
    And the keys Escape are pressed
    Then the page is headed "cache"
    And the focus is on "Delete"
    When "Delete" is pressed
    And "Delete" is pressed in the dialog
    Then the page is headed "Services"
    And the page says "The project has none yet."
    And this view lets everybody in: services
    And no client can log in with the credentials of first
    And the browser has complained of nothing, save perhaps of answers of 404
