"""The page at /ui/, in a browser: what is pressed, filled in and read there is named as it is seen."""

import re

from behave import given, then, when
from harness import browser, clouds
from harness.names import filled
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select
from selenium.webdriver.support.wait import WebDriverWait

_PATIENCE = 180  # seconds: an answer may wait for an emulated OpenStack
_ENDS_IN = 420
_HEADING = "main:not([aria-busy]) h1"
_KEYS = {"Tab": Keys.TAB, "Enter": Keys.ENTER, "Escape": Keys.ESCAPE, "Space": Keys.SPACE}


@given("a browser that shows the page")
def step_browser(context):
    context.browser = browser.shared(context.folder / "chromium")
    context.driver = context.browser.driver
    context.browser.begin(f"{context.client.url}/ui/")


@given("{who:Who} is logged in on the page")
def step_is_logged_in(context, who):
    step_browser(context)
    step_log_in(context, who)
    step_headed(context, "Deployments")


@when("{who:Who} logs in on the page")
def step_log_in(context, who):
    _log_in(context, who, _auth(who)["password"])


@when('{who:Who} logs in on the page by the password "{password}"')
def step_log_in_by(context, who, password):
    _log_in(context, who, password)


def _log_in(context, who, password):
    _fill(context, "User name", _auth(who)["username"])
    _fill(context, "Password", password)
    _fill(context, "Project", _auth(who)["project_name"])
    step_press(context, "Log in")


def _auth(who) -> dict:
    return clouds.as_user(who).config.config["auth"]


def _wait(context, is_so, what, seconds=_PATIENCE):
    """Asks until ``is_so()`` is true, and returns that; what is drawn anew meanwhile is asked for anew."""
    wait = WebDriverWait(context.driver, seconds, 0.1, [StaleElementReferenceException])
    return wait.until(lambda _: is_so(), f"{what}; the page says: {_text(context)}")


def _text(context) -> str:
    return context.driver.find_element(By.TAG_NAME, "body").text


def _all(context, xpath):
    return context.driver.find_elements(By.XPATH, xpath)


def _shown(context, xpath, what, seconds=_PATIENCE):
    """The first that can be seen."""

    def find():
        return next((each for each in _all(context, xpath) if each.is_displayed()), None)

    return _wait(context, find, f"there is no {what}", seconds)


def _named(name, *kinds) -> str:
    """The path to what has this text, or this name for who listens."""
    return "|".join(f"//{kind}[normalize-space()='{name}' or @aria-label='{name}']" for kind in kinds)


def _control(context, label):
    found = _shown(context, f"//label[normalize-space()='{label}']", f"field {label}")
    return context.driver.find_element(By.ID, found.get_attribute("for"))


def _fill(context, label, text):
    control = _control(context, label)
    control.clear()
    control.send_keys(text)


@when('"{name}" is pressed')
def step_press(context, name):
    name = filled(name, context.names)
    _shown(context, _named(name, "button"), f"button {name}").click()


@when('"{name}" is pressed in the dialog')
def step_press_in_dialog(context, name):
    _shown(context, f"//dialog//button[normalize-space()='{name}']", f"button {name} in a dialog").click()


@when('"{name}" is opened')
def step_open(context, name):
    name = filled(name, context.names)
    _shown(context, _named(name, "a", "summary"), f"link {name}").click()


@when("the address {address:S} is opened")
def step_address(context, address):
    context.driver.execute_script("location.hash = arguments[0]", address)


@when("the page is loaded anew")
def step_reload(context):
    context.driver.refresh()


@when('the field "{label}" is filled with "{text}"')
def step_fill(context, label, text):
    _fill(context, label, filled(text, context.names))


@when('the field "{label}" is filled with')
def step_fill_text(context, label):
    _fill(context, label, filled(context.text, context.names))


@when('"{option}" is chosen for "{label}"')
def step_choose(context, option, label):
    """What begins like that."""
    select = Select(_control(context, label))
    option = filled(option, context.names)
    found = [each.text for each in select.options if each.text.startswith(option)]
    assert found, f"no {option} among {[each.text for each in select.options]}"
    select.select_by_visible_text(found[0])


@when('"{label}" is ticked')
def step_tick(context, label):
    _control(context, filled(label, context.names)).click()


@when("the shared server is ticked")
def step_tick_shared(context):
    box = f"//input[@value='{context.names['server_0']}']"
    _shown(context, box, "box of the shared server").click()


@then('the page is headed "{title}"')
def step_headed(context, title):
    title = filled(title, context.names)

    def seen():
        return [each.text for each in context.driver.find_elements(By.CSS_SELECTOR, _HEADING)] == [title]

    _wait(context, seen, f"it is not headed {title}")


@then('the page says "{text}"')
def step_says(context, text):
    text = filled(text, context.names)
    _wait(context, lambda: text in _text(context), f"it does not say {text}")


@then('within minutes the page says "{text}"')
def step_says_later(context, text):
    text = filled(text, context.names)
    _wait(context, lambda: text in _text(context), f"it does not say {text}", _ENDS_IN)


@then('the field "{label}" is told to be wrong: "{text}"')
def step_wrong(context, label, text):
    control = _control(context, label)
    told = control.get_attribute("aria-describedby").split()

    def seen():
        return any(text in context.driver.find_element(By.ID, id).text for id in told)

    _wait(context, seen, f"{label} is not told: {text}")
    assert control.get_attribute("aria-invalid") == "true"
    assert control == context.driver.switch_to.active_element, "the focus is not there"


def _row(caption, name) -> str:
    return f"//table[caption[normalize-space()='{caption}']]//tr[th[normalize-space()='{name}']]"


@then('the table "{caption}" has {names}')
def step_table_has(context, caption, names):
    for name in filled(names, context.names).replace(" and ", ", ").split(", "):
        _shown(context, _row(caption, name), f"{name} in {caption}")


@then('in the table "{caption}" {name:S} says "{text}"')
def step_row_says(context, caption, name, text):
    name, text = filled(name, context.names), filled(text, context.names)

    def seen():
        return any(text in row.text for row in _all(context, _row(caption, name)))

    _wait(context, seen, f"{name} in {caption} does not say {text}")


@then('there are {count:d} rows in the table "{caption}"')
def step_rows(context, count, caption):
    path = f"//table[caption[normalize-space()='{caption}']]/tbody/tr"
    _wait(context, lambda: len(_all(context, path)) == count, f"{caption} has not {count} rows")


@then("no script can read a token")
def step_no_token(context):
    script = "return [document.cookie, {...localStorage}, {...sessionStorage}]"
    assert context.driver.execute_script(script) == ["", {}, {}]
    (cookie,) = context.driver.get_cookies()
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict"), cookie
    assert "gAAAA" not in context.driver.page_source


@then("the browser has complained of nothing")
def step_no_complaint(context):
    complaints = context.browser.complaints()
    assert not complaints, complaints


@then("the browser has complained of nothing but answers of {status:d}")
def step_no_other_complaint(context, status):
    complaints = context.browser.complaints()
    others = [each for each in complaints if f"responded with a status of {status}" not in each]
    assert complaints, "there was no such answer"
    assert not others, others


@then("the browser has complained of nothing, save perhaps of answers of {status:d}")
def step_perhaps_complaint(context, status):
    """Of what was gone when it was looked at again."""
    complaints = context.browser.complaints()
    others = [each for each in complaints if f"responded with a status of {status}" not in each]
    assert not others, others


@then("each of these views lets everybody in, in light and dark, wide and narrow")
def step_views(context):
    """No barrier for axe, nothing beside the screen at 320 pixels; a picture of each is kept."""
    for view, title in ((row["view"], row["title"]) for row in context.table):
        step_address(context, filled(view, context.names))
        step_headed(context, title)
        _looked_at(context, re.sub(r"\W+", "-", filled(view, context.names)).strip("-"))


@then("this view lets everybody in: {name:S}")
def step_view(context, name):
    _looked_at(context, name)


def _looked_at(context, name):
    seen = context.browser
    try:
        for scheme in browser.SCHEMES:
            seen.look(scheme, browser.WIDE)
            # what is not of colours is the same in both
            found = seen.barriers(("color-contrast",) if scheme == "dark" else ())
            assert not found, f"{name}, {scheme}: {found}"
            seen.picture(f"{name}-{scheme}")
        seen.look("light", browser.NARROW)
        width = context.driver.execute_script("return document.documentElement.scrollWidth")
        assert width <= browser.NARROW, f"{name} is {width} pixels wide"
        seen.picture(f"{name}-narrow")
    finally:
        seen.look("light", browser.WIDE)


@when("the keys {keys} are pressed")
def step_keys(context, keys):
    for key in keys.replace(" and ", ", ").split(", "):
        ActionChains(context.driver).send_keys(_KEYS[key]).perform()


@when("{who:Who} types the user name, Tab, the password, Tab, Tab, the project and Enter")
def step_type_login(context, who):
    auth = _auth(who)
    keys = [
        auth["username"],
        Keys.TAB,
        auth["password"],
        Keys.TAB,
        Keys.TAB,
        auth["project_name"],
        Keys.ENTER,
    ]
    _wait(
        context, lambda: _focused(context).get_attribute("name") == "session.username", "no field to type in"
    )
    for key in keys:
        ActionChains(context.driver).send_keys(key).perform()


@when('Tab is pressed until "{name}" has the focus')
def step_tab_to(context, name):
    name = filled(name, context.names)
    for _ in range(60):
        ActionChains(context.driver).send_keys(Keys.TAB).perform()
        if _focused(context).accessible_name == name:
            outline = _focused(context).value_of_css_property("outline-style")
            assert outline != "none", f"nobody sees that {name} has the focus"
            return
    raise AssertionError(f"{name} is not reached")


@then('the focus is on "{name}"')
def step_focus(context, name):
    name = filled(name, context.names)
    _wait(
        context,
        lambda: name in (_focused(context).accessible_name, _focused(context).text),
        f"{name} has not the focus",
    )


def _focused(context):
    return context.driver.switch_to.active_element


@then("the credentials that are shown are those of {name:S}")
def step_shown_credentials(context, name):
    box = "//*[@id='credentials']//dl/div"
    _shown(context, box, "credentials")
    pairs = [each.find_elements(By.XPATH, "./dt|./dd//code") for each in _all(context, box)]
    shown = {key.text: value.text for key, value in pairs}
    context.credentials = {**getattr(context, "credentials", {}), name: shown}


@when("the deployment that is shown is remembered")
def step_remember(context):
    """So that it is cleared away whatever happens."""
    _wait(context, lambda: "#/deployments/" in context.driver.current_url, "no deployment is shown")
    context.names["deployment"] = context.driver.current_url.rpartition("/")[2]


@given("what the page makes is cleared away")
def step_clear(context):
    context.clearing.begin(context.client)
