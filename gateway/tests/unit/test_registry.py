import dataclasses
import threading

import pytest
import sqlalchemy as sa

from gateway import errors
from gateway.registry.model import Check, Health, Key, Reading, Registration, Status
from gateway.registry.store import _add, _Addition
from gateway.tests import registered

HOST = "127.0.0.1"


@pytest.fixture
def conf(tmp_path):
    return registered.configuration(tmp_path)


@pytest.fixture
def registry(conf):
    return registered.registry(conf)


@pytest.fixture
def service():
    with registered.service() as made:
        yield made


def wanted(port: int = 1, type: str = "auth", **fields) -> Registration:
    return Registration(type=type, proto="http", host=fields.pop("host", HOST), port=port, **fields)


def add(registry, *ports: int, project: str = "p", **fields):
    return [registry.register(project, wanted(port, **fields), verify=False) for port in ports]


def changes(registry) -> list[tuple]:
    with registry._store._database.read() as connection:
        return [tuple(row) for row in connection.execute(sa.text("SELECT * FROM changes ORDER BY 1"))]


def feed(registry) -> list[str]:
    return [f"{type_}-{ordinal} {change}" for _, _, _, type_, ordinal, change in changes(registry)]


def read_ok(registry, instance, ok: bool, output: str = "", times: int = 1):
    for _ in range(times):
        registered.record(registry, instance.key, Reading(ok, output, instance.created_at + 1))


# Registering


def test_a_service_that_answers_is_registered(registry, service):
    check = Check(path="/up")
    fields = {"routes": ("/a", "/b"), "weight": 3, "version": "1.0", "http_port": service.port}
    instance = registry.register("p", wanted(service.port, check=check, **fields))
    assert service.asked == ["/up"]
    assert (instance.name, instance.health.status, instance.health.output) == ("auth-0", "passing", "200 OK")
    assert (instance.routes, instance.weight, instance.version) == (("/a", "/b"), 3, "1.0")
    assert registry.instance("p", "auth", 0) == instance
    assert registry.best("p", "auth") == instance
    assert feed(registry) == ["auth-0 created"]


def test_who_does_not_answer_is_not_registered(registry, service):
    service.body = b'{"up": false}'
    with pytest.raises(errors.Unhealthy, match=r'answered \{"up": false\}'):
        registry.register("p", wanted(service.port))
    service.stop()
    with pytest.raises(errors.Unhealthy, match="connection refused") as caught:
        registry.register("p", wanted(service.port))
    assert caught.value.code == "gateway.registry.unhealthy"
    assert (registry.types("p"), feed(registry)) == ([], [])


@pytest.mark.parametrize(
    ("host", "code"),
    [
        ("local host", "host"),
        ("nowhere.invalid", "host"),
        ("example.org", "host"),
        ("127.1", "host"),
        ("0127.0.0.2", "host"),
        ("fe80::1%lo", "host"),
        ("", "host"),
        ("127.0.0.2", "host_blocked"),
        ("::ffff:127.0.0.2", "host_blocked"),
    ],
)
def test_where_instances_may_not_be(registry, host, code):
    with pytest.raises(errors.Invalid) as caught:
        registry.register("p", wanted(host=host), verify=False)
    assert (caught.value.code, caught.value.field) == (f"gateway.registry.{code}", "host")


def test_outside_of_the_operators_networks_the_host_is_a_server_of_the_project(conf, registry):
    conf.set_override("allowed_networks", [], "registry")
    foreign = registered.registry(conf)
    with registered.service() as service:
        for owner in ({}, {"owner": {"127.0.0.9": "other"}.get}):
            with pytest.raises(errors.Invalid) as caught:
                foreign.register("p", wanted(service.port), **owner)
            assert (caught.value.code, caught.value.field) == ("gateway.registry.host_foreign", "host")
        assert service.asked == []
        own = foreign.register("p", wanted(service.port), owner={"127.0.0.1": "server"}.get)
        assert own.server_id == "server"


def test_a_host_name_is_for_the_operators_networks(conf, registry):
    with registered.service() as service:
        assert registry.register("p", wanted(service.port, host="LOCALHOST")).host == "localhost"
        conf.set_override("allowed_networks", [], "registry")
        with pytest.raises(errors.Invalid) as caught:
            registered.registry(conf).register(
                "p", wanted(service.port, host="localhost"), owner={"127.0.0.1": "server"}.get
            )
    assert caught.value.code == "gateway.registry.host_foreign"


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "::1",
        "::",
        "0.0.0.0",
        "169.254.169.254",
        "fe80::1",
        "::ffff:169.254.169.254",
        "224.0.0.1",
    ],
)
def test_where_they_may_not_be_by_default(tmp_path, host):
    conf = registered.configuration(tmp_path)
    conf.clear_override("blocked_networks", "registry")
    with pytest.raises(errors.Invalid, match="blocked_networks"):
        registered.registry(conf).register("p", wanted(host=host), verify=False)


def test_an_address_has_one_form(registry):
    (instance,) = add(registry, 1, host="FD00:0::5")
    assert instance.host == "fd00::5"
    with pytest.raises(errors.Conflict):
        add(registry, 1, host="fd00::5")


def test_the_same_again_is_a_conflict_within_a_project(registry):
    add(registry, 1, type="other")
    with pytest.raises(errors.Conflict, match="other-0"):
        add(registry, 1)
    add(registry, 1, signature="x")  # another signature: another service
    add(registry, 2)
    add(registry, 1, project="q")
    assert [i.name for i in registry.instances("p", "auth")] == ["auth-0", "auth-1"]


def test_a_signature_must_be_ours_and_about_this(registry, service):
    signature = registry._signer.mint(project_id="p", type="auth", host=HOST, port=service.port).text
    with pytest.raises(errors.Invalid, match="another project"):
        registry.register("q", wanted(service.port, signature=signature))
    assert service.asked == []  # not even probed
    registry.register("p", wanted(service.port, signature=signature))
    with pytest.raises(errors.Conflict, match="auth-0"):
        registry.register("p", wanted(service.port, signature=signature))


def test_a_deployment_registers_a_server_once_and_is_signed(registry, service):
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
    fields = {"deployment_id": "d", "server_id": "s", "host_key": key, "version": "2"}
    first = registry.register("p", wanted(service.port, **fields))
    assert registry.register("p", wanted(service.port, **fields)) == first
    claims = registry._signer.verify(first.signature, "p", "auth", HOST, service.port)
    assert (claims["server_id"], claims["version"]) == ("s", "2")
    assert claims["host_key"].startswith("SHA256:")
    add(registry, 2, deployment_id="d", server_id="s2")
    assert feed(registry) == ["auth-0 created", "auth-1 created"]
    registry.deregister_deployment("d", server_id="s2")
    registry.deregister_deployment("d")
    registry.deregister_deployment("d")
    assert feed(registry)[2:] == ["auth-1 removed", "auth-0 removed"]


def test_an_instance_is_amended_in_one_change(registry):
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
    (old,) = add(registry, 1, deployment_id="d", server_id="s", host_key=key, version="1")
    add(registry, 9, type="own", deployment_id="e")
    fields = {
        "version": "2",
        "host": "FD00:0::5",
        "port": 2,
        "routes": ("/a",),
        "check": Check("/up"),
        "weight": 0,
    }
    new = registry.amend(*old.key, **fields)
    assert registry.of_deployment("p", "auth", "d") == [registry.instance("p", "auth", 0)] == [new]
    assert (new.version, new.host, new.port, new.check.path, new.weight) == ("2", "fd00::5", 2, "/up", 0)
    claims = registry._signer.verify(new.signature, "p", "auth", "fd00::5", 2)
    before = registry._signer.verify(old.signature, "p", "auth", HOST, 1)
    told = ("server_id", "version", "host_key")
    assert [claims[name] for name in told] == ["s", "2", before["host_key"]]
    assert feed(registry)[2:] == ["auth-0 changed"]
    assert registry.amend(*old.key, **fields) == new  # nothing is written, nobody is woken
    assert registry.amend(*old.key, weight=1).signature == new.signature
    assert feed(registry)[3:] == ["auth-0 changed"]


def test_only_what_is_there_is_amended_and_never_to_a_blocked_host(registry):
    (instance,) = add(registry, 1, signature="x")
    with pytest.raises(errors.NotFound):
        registry.amend("q", "auth", 0, weight=1)
    with pytest.raises(errors.Invalid):
        registry.amend(*instance.key, host="127.0.0.2")
    assert registry.amend(*instance.key, port=2).signature == "x"  # not the gateway's to sign
    assert feed(registry) == ["auth-0 created", "auth-0 changed"]


def test_amends_at_the_same_time_all_count(conf, registry):
    (instance,) = add(registry, 1)
    changes_of = [{"weight": 7}, {"version": "3"}, {"port": 4}, {"http_port": 5}]
    registries = [registered.registry(conf) for _ in changes_of]
    threads = [
        threading.Thread(target=each.amend, args=instance.key, kwargs=fields)
        for each, fields in zip(registries, changes_of, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    now = registry.instance(*instance.key)
    assert (now.weight, now.version, now.port, now.http_port) == (7, "3", 4, 5)
    assert feed(registry)[1:] == ["auth-0 changed"] * 4


def test_what_was_under_way_while_the_health_was_told_does_not_count(registry):
    (instance,) = add(registry, 1)
    switched = instance.created_at + 10
    told = Health(Status.PASSING, 1, "200 OK", switched)
    registry.amend(*instance.key, health=told)
    for at, latency in ((switched - 1, 0), (switched + 1, 1.5)):
        registered.record(registry, instance.key, *[Reading(False, "refused", at, latency)] * 5)
    assert registry.instance(*instance.key).health == told
    registered.record(registry, instance.key, Reading(False, "refused", switched + 1, 0.5))
    assert registry.instance(*instance.key).health.status is Status.WARNING


def test_ordinals_are_never_used_twice_while_the_type_lives(registry):
    add(registry, 1, 2, 3)
    registry.deregister("p", "auth", 2)
    registry.deregister("p", "auth", 2)
    registry.deregister("p", "nothing", 0)
    add(registry, 4)
    assert [i.name for i in registry.instances("p", "auth")] == ["auth-0", "auth-1", "auth-3"]
    for ordinal in (0, 1, 3):
        registry.deregister("p", "auth", ordinal)
    assert registry.types("p") == []
    assert add(registry, 1)[0].name == "auth-0"  # the type died in between


def test_many_at_once_get_numbers_of_their_own(conf, registry):
    registries = [registered.registry(conf) for _ in range(4)]
    threads = [
        threading.Thread(target=add, args=(each, *range(10 * n, 10 * n + 10)))
        for n, each in enumerate(registries)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [i.ordinal for i in registry.instances("p", "auth")] == list(range(40))
    assert [index for index, *_ in changes(registry)] == list(range(1, 41))


# Reading


def test_who_waits_together_is_added_together_each_by_its_own_rule(registry):
    """As one by one: what is there already, what has another's place, and the rest in order."""
    (there,) = add(registry, 1)
    deployed = {"deployment_id": "d", "server_id": "s"}
    registrations = [
        wanted(2, **deployed, signature="a"),
        wanted(1),
        wanted(3, "web"),
        wanted(2, **deployed, signature="b"),
        wanted(3),
        wanted(4),
    ]
    store, health = registry._store, Health(Status.PASSING, streak=1)
    with store._database.write() as connection:
        got = _add(connection, [_Addition("p", each, health, 5.0) for each in registrations])
    assert [str(each) if isinstance(each, errors.Conflict) else each.name for each in got] == [
        "auth-1",
        f"{HOST} port 1 is already registered with this signature, as auth-0.",
        "web-0",
        "auth-1",
        f"{HOST} port 3 is already registered with this signature, as web-0.",
        "auth-2",
    ]
    assert feed(registry) == ["auth-0 created", "auth-1 created", "web-0 created", "auth-2 created"]
    assert registry.instance("p", "auth", 2).index == there.index + 3
    assert add(registry, 5)[0].name == "auth-3"


def test_what_is_not_there(registry):
    add(registry, 1)
    for project, type_ in (("p", "other"), ("q", "auth")):
        for call in (registry.instances, registry.best):
            with pytest.raises(errors.NotFound) as caught:
                call(project, type_)
            assert caught.value.code == "gateway.registry.type_not_found"
        with pytest.raises(errors.NotFound):
            registry.instance(project, type_, 0)
    with pytest.raises(errors.NotFound):
        registry.instance("p", "auth", 1)
    assert registry.types("q") == []


def test_the_best_are_the_passing_ones_with_a_weight(registry):
    one, two, _ = [*add(registry, 1, 2, weight=1), *add(registry, 3, weight=0)]
    assert {registry.best("p", "auth").ordinal for _ in range(4)} == {0, 1}
    read_ok(registry, one, False, "connection refused")
    assert {registry.best("p", "auth").ordinal for _ in range(4)} == {1}
    read_ok(registry, two, False, "connection refused", times=3)
    assert {registry.best("p", "auth").ordinal for _ in range(4)} == {0}  # a warning, and better than none
    read_ok(registry, one, False, "connection refused", times=2)
    with pytest.raises(
        errors.Unavailable, match=r"auth-0 critical, auth-1 critical, auth-2 passing"
    ) as caught:
        registry.best("p", "auth")
    assert (caught.value.code, caught.value.retry_after) == ("gateway.registry.none_passing", 10)


def test_what_another_process_wrote_is_seen_at_once_or_by_best_at_the_next_look(tmp_path):
    writer = registered.registry(registered.configuration(tmp_path))
    other = registered.registry(registered.configuration(tmp_path, refresh_interval=3600))
    assert other.types("p") == []
    add(writer, 1)
    assert other.best("p", "auth").ordinal == 0  # unknown till now, so looked for
    add(writer, 2)
    if not other._snapshot._commits.are_told():  # a database that does not tell of commits
        assert {other.best("p", "auth").ordinal for _ in range(4)} == {0}
    other._snapshot._looked_at = -1e9
    assert {other.best("p", "auth").ordinal for _ in range(4)} == {0, 1}
    add(writer, 3)
    assert [each.ordinal for each in other.instances("p", "auth")] == [0, 1, 2]
    assert other.instance("p", "auth", 2).port == 3


def test_best_asks_the_database_for_nothing(tmp_path):
    registry = registered.registry(registered.configuration(tmp_path, refresh_interval=3600))
    add(registry, 1, 2)
    statements = []
    sa.event.listen(
        registry._store._database.engine, "before_cursor_execute", lambda *args: statements.append(args[2])
    )
    for _ in range(100):
        registry.best("p", "auth")
    assert statements == []
    with registered.registry(registry._conf)._store._database.write() as connection:
        connection.execute(sa.text("DELETE FROM heartbeats"))  # nothing of the registry's
    registry._snapshot._looked_at = -1e9
    registry.best("p", "auth")
    registry.best("p", "auth")
    assert len([s for s in statements if s != "BEGIN"]) == 1  # one cheap look


def test_what_is_known_is_served_while_the_database_is_away(registry):
    add(registry, 1)
    with registry._store._database.write() as connection:
        connection.execute(sa.text("ALTER TABLE last_change RENAME TO away"))
    registry._snapshot._looked_at = -1e9
    assert registry.best("p", "auth").name == "auth-0"
    with registry._store._database.write() as connection:
        connection.execute(sa.text("ALTER TABLE away RENAME TO last_change"))
    add(registry, 2)
    assert len(registry.instances("p", "auth")) == 2


# Readings


def test_only_what_others_can_see_is_written(registry):
    (instance,) = add(registry, 1)
    read_ok(registry, instance, True, times=5)
    assert feed(registry) == ["auth-0 created"]
    read_ok(registry, instance, False, "connection refused", times=10)
    assert feed(registry)[1:] == ["auth-0 changed"] * 2  # warning, critical
    health = registry.instance("p", "auth", 0).health
    assert (health.status, health.output) == (Status.CRITICAL, "connection refused")
    read_ok(registry, instance, True, "200 OK", times=3)
    assert feed(registry)[3:] == ["auth-0 changed"]
    assert registry.instance("p", "auth", 0).health.status is Status.PASSING


def test_several_readings_of_one_batch_count_in_order(registry):
    (instance,) = add(registry, 1)
    at = instance.created_at
    registered.record(registry, instance.key, *(Reading(False, "x", at + n) for n in range(3)))
    health = registry.instance("p", "auth", 0).health
    assert (health.status, health.since) == (Status.CRITICAL, at + 2)
    assert feed(registry)[1:] == ["auth-0 changed"]


def test_readings_of_what_is_gone_or_was_another_are_nothing(registry):
    (old,) = add(registry, 1)
    registry.deregister(*old.key)
    read_ok(registry, old, False)
    (new,) = add(registry, 2)
    registered.record(registry, new.key, Reading(False, "of the old one", old.created_at))
    registered.record(registry, Key("q", "auth", 0), Reading(False, "", new.created_at + 1))
    assert registry.instance("p", "auth", 0) == new


def test_what_was_removed_meanwhile_by_another_process_stays_removed(conf, registry):
    (instance,) = add(registry, 1)
    monitor = registered.registry(registered.configuration(conf.state_path, refresh_interval=3600))
    assert monitor.types("p") == ["auth"]
    registry.deregister(*instance.key)
    read_ok(monitor, instance, False)
    assert monitor.types("p") == []
    assert feed(registry) == ["auth-0 created", "auth-0 removed"]


def fresh_of(view, project, type_):
    found = [i for i in view.instances() if (i.project_id, i.type) == (project, type_)]
    return sorted(found, key=lambda instance: instance.ordinal)


def test_the_index_of_an_instance_is_that_of_its_last_change(registry):
    one, two = add(registry, 1, 2)
    read_ok(registry, one, False, "refused")
    registry.amend(*two.key, weight=3)
    assert [i.index for i in registry.instances("p", "auth")] == [3, 4]
    assert registry.deregister(*one.key) == 5


def test_who_has_slept_through_more_than_the_log_keeps_reads_everything(conf, registry):
    sleeper = registered.registry(conf)
    one, *_ = add(registry, 1, 2)
    assert len(sleeper.instances("p", "auth")) == 2
    registry.deregister(*one.key)
    add(registry, 3)
    with registry._store._database.write() as connection:
        connection.execute(sa.text('DELETE FROM changes WHERE "index" < 4'))
    assert [i.ordinal for i in sleeper.instances("p", "auth")] == [1, 2]


def test_what_changed_is_all_that_is_read(conf, registry):
    add(registry, *range(1, 50))
    reader = registered.registry(conf)
    assert len(reader.instances("p", "auth")) == 49
    registry.amend("p", "auth", 7, weight=5)
    index, touched = registry._store.changed_since(49)
    assert (index, {key: i.weight for key, i in touched.items()}) == (50, {Key("p", "auth", 7): 5})
    assert [i.ordinal for i in reader.instances("p", "auth")] == list(range(49))


def test_the_snapshot_is_the_table(conf, registry):
    """After many random changes by two processes, what either has put together is what a new one reads."""
    import random

    numbers, other = random.Random(3), registered.registry(conf)
    for port in range(150):
        actor, project = numbers.choice([registry, other]), numbers.choice("pq")
        everyone = actor.view().instances()
        if numbers.random() < 0.5 or not everyone:
            add(actor, port, project=project, type=numbers.choice("abc"))
        elif numbers.random() < 0.4:
            actor.deregister(*numbers.choice(everyone).key)
        elif numbers.random() < 0.4:
            actor.amend(*numbers.choice(everyone).key, weight=numbers.randrange(3), tags=(str(port),))
        else:
            instance = numbers.choice(everyone)
            registered.record(
                actor, instance.key, Reading(numbers.random() < 0.5, str(port), instance.created_at + port)
            )
    fresh = registered.registry(conf).view()
    for each in (registry, other):
        assert each._snapshot.refresh() == fresh
    ordinals = [(i.project_id, i.type, i.ordinal) for i in registry.view().instances()]
    assert all(registry.instances(*pair) == fresh_of(fresh, *pair) for pair in {key[:2] for key in ordinals})
    alive = {}
    for _, _, project, type_, ordinal, change in changes(registry):
        alive[project, type_, ordinal] = change
    expected = {key for key, change in alive.items() if change != "removed"}
    assert {dataclasses.astuple(i)[:3] for i in fresh.instances()} == expected
