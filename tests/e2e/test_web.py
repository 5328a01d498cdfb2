"""The opt-out by link: what each method does, what is refused, and that it counts once (RFC 8058)."""

import concurrent.futures
import html
import signal
import threading
import time

import pytest

from tests.support import process, schema, tokens
from tests.support.web import (
    BOUNDARY,
    MULTIPART,
    ONE_CLICK,
    ONE_CLICK_MULTIPART,
    URLENCODED,
    Site,
    core_of,
)

OTHER_METHODS = ["PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "PROPFIND", "post"]


@pytest.fixture
def person(demo):
    """Ms Ida O'Brien, who gets alerts."""
    demo.put_category("maths")
    demo.put_person("p1", first_name="Ida", last_name="O'Brien", interests=["maths"])
    return "p1"


@pytest.fixture
def ids(owner, person):
    """(tenant id, person id) of that person."""
    return owner.execute(
        "select tenant_id, person_id from person where ref = %s", [person]
    ).fetchone()


@pytest.fixture
def key(handbell):
    return tokens.read_keys(handbell.key_file)[0]


@pytest.fixture
def token(key, ids):
    return tokens.make_token(key, *ids)


@pytest.fixture
def web(handbell, ids):
    """(program, site)"""
    program, url = handbell.start_web()
    return program, Site(url)


@pytest.fixture
def site(web):
    return web[1]


@pytest.fixture
def opted_out(owner):
    """The topics that are stopped, in order."""
    return lambda: [
        row[0] for row in owner.execute("select topic from opt_out order by topic").fetchall()
    ]


@pytest.fixture
def changes(owner):
    return lambda: owner.execute(
        "select what, person_ref, topic, how from change order by number"
    ).fetchall()


def test_get_and_head_say_what_would_stop_and_change_nothing(site, token, opted_out, changes):
    page = site.get(token)
    text = html.unescape(page.body.decode())
    assert page.status == 200
    for word in ("Ida O'Brien", "Westmarch CPD", "Stop course alerts", "still hear about courses"):
        assert word in text
    assert page.body.count(b"<button") == 1
    head = site.ask("HEAD", f"/u/{token}")
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-length"] == str(len(page.body))
    assert opted_out() == [] and changes() == []


@pytest.mark.parametrize(
    "body, content_type",
    [
        (ONE_CLICK, URLENCODED),
        (ONE_CLICK, URLENCODED + "; charset=UTF-8"),
        (ONE_CLICK + b"\r\n", URLENCODED),
        (ONE_CLICK_MULTIPART, MULTIPART),
        (b"confirm=1", URLENCODED),
    ],
)
def test_a_post_stops_the_topic_at_once(site, token, opted_out, changes, body, content_type):
    answer = site.post(token, body, content_type)
    assert answer.status == 200
    assert not {"location", "set-cookie"} & set(answer.headers)
    assert b"Course alerts are stopped" in answer.body
    assert opted_out() == ["alerts"]
    how = "page" if body == b"confirm=1" else "one_click"
    assert changes() == [("opt_out", "p1", "alerts", how)]
    assert b"Course alerts are stopped" in site.get(token).body


def test_an_upper_case_token_and_a_query_behind_it_do_no_harm(site, token, opted_out):
    assert site.post(token.upper() + "?utm_source=mail").status == 200
    assert opted_out() == ["alerts"]


@pytest.mark.parametrize("topic", ["alerts", "bulletin", "optional"])
def test_a_link_stops_its_own_topic_alone(site, key, ids, opted_out, topic):
    assert site.post(tokens.make_token(key, *ids, topic)).status == 200
    assert opted_out() == [topic]


def test_a_link_replayed_a_thousand_times_counts_once(site, token, owner, changes):
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda _: site.post(token).status, range(1000)))
    assert statuses == [200] * 1000
    assert len(changes()) == 1
    (audits,) = owner.execute("select count(*) from audit where what = 'opt_out'").fetchone()
    assert audits == 1


def test_the_opt_out_holds_for_the_ticks_and_undo_restores_them(site, token, owner, opted_out):
    live = "select bool_and(is_live) from tick"
    assert owner.execute(live).fetchone() == (True,)
    site.post(token)
    assert owner.execute(live).fetchone() == (False,)
    answer = site.post(token, b"undo=1")
    assert answer.status == 200 and b"Your choice is undone" in answer.body
    assert opted_out() == []
    assert owner.execute(live).fetchone() == (True,)
    assert site.post(token, b"undo=1").status == 200


def test_undo_takes_back_this_topic_and_no_other(site, key, ids, token, opted_out):
    site.post(tokens.make_token(key, *ids, "optional"))
    site.post(token)
    answer = site.post(token, b"undo=1")
    assert opted_out() == ["optional"]
    assert b"Course alerts are stopped" in answer.body and b'name="undo"' not in answer.body


def test_undo_does_not_take_back_what_was_said_to_the_portal(site, token, demo, opted_out):
    demo.call("opt_out", "p1", "alerts", "by telephone")
    assert b'name="undo"' not in site.get(token).body
    assert site.post(token, b"undo=1").status == 200
    assert opted_out() == ["alerts"]


@pytest.mark.parametrize(
    "body, content_type",
    [
        (b"", URLENCODED),
        (b"List-Unsubscribe=one-click", URLENCODED),
        (b"List-Unsubscribe=One-Click&confirm=1", URLENCODED),
        (b"list-unsubscribe=One-Click", URLENCODED),
        (b"confirm=2", URLENCODED),
        (b"confirm=1", "text/plain"),
        (b'{"confirm": 1}', "application/json"),
        (ONE_CLICK, None),
        (ONE_CLICK, MULTIPART),
        (ONE_CLICK_MULTIPART, URLENCODED),
        (ONE_CLICK_MULTIPART, "multipart/form-data; boundary=other"),
        (ONE_CLICK_MULTIPART.replace(b"--\r\n", b"\r\n"), MULTIPART),
        (ONE_CLICK_MULTIPART.replace(BOUNDARY.encode(), b"\0"), MULTIPART),
        (b"\xff" * 8192, URLENCODED),
    ],
)
def test_any_other_body_is_refused_alike_whatever_the_token(
    site, token, opted_out, body, content_type
):
    answer = site.post(token, body, content_type)
    assert answer.status == 400
    assert core_of(answer) == core_of(site.post(token, b"", URLENCODED))
    assert core_of(answer) == core_of(site.post("forged", body, content_type))
    assert opted_out() == []


@pytest.mark.parametrize("method", OTHER_METHODS)
def test_other_methods_are_refused_with_those_that_there_are(site, token, opted_out, method):
    answer = site.ask(method, f"/u/{token}", ONE_CLICK, URLENCODED)
    assert answer.status == 405
    assert answer.headers["allow"] == "GET, HEAD, POST"
    assert opted_out() == []


def test_every_link_that_is_not_believed_gets_one_answer(site, key, ids, token, opted_out, owner):
    tenant, person = ids
    forged = [
        *tokens.flipped(token),
        *(token[:size] for size in range(len(token))),
        token + "a",
        token + "/",
        token[:-1] + "0",
        tokens.make_token(b"\1" * 32, *ids),
        tokens.make_token(key, *ids, power=2),
        tokens.make_token(key, *ids, version=2),
        tokens.make_token(key, *ids, topic="none"),
        tokens.make_token(key, tenant, person + 1),
        tokens.make_token(key, tenant + 1, person),
        tokens.make_token(key, -1, -1),
    ]
    expected = core_of(site.get("x"))
    assert expected[0] == 404
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        looked = list(pool.map(lambda one: core_of(site.get(one)), forged))
        posted = list(pool.map(lambda one: core_of(site.post(one)), forged))
    assert looked == [expected] * len(forged)
    assert posted == [expected] * len(forged)
    assert opted_out() == []
    owner.execute("update person set status = 'removed'")
    assert core_of(site.post(token)) == expected


def test_a_token_is_refused_under_the_host_of_another_tenant(web, owner, token, opted_out):
    owner.execute(
        "select put_tenant('other', %s)", ['{"name": "Other", "base_url": "https://cpd.other.test"}']
    )
    site = web[1]
    foreign = Site(site.url, "CPD.other.test:443")
    assert core_of(foreign.post(token)) == core_of(site.post("x"))
    assert core_of(foreign.get(token)) == core_of(site.get("x"))
    assert opted_out() == []
    assert Site(site.url, "unknown.test").post(token).status == 200


def test_refusals_take_the_same_time_whether_or_not_the_database_was_asked(site, key, ids, token):
    def times(one):
        found = []
        for _ in range(15):
            start = time.monotonic()
            assert site.get(one).status == 404
            found.append(time.monotonic() - start)
        return sorted(found)[len(found) // 2]

    signed = times(tokens.make_token(key, ids[0], ids[1] + 1))
    forged = times(next(tokens.flipped(token)))
    assert 0.045 < forged < 0.2
    assert abs(signed - forged) < 0.01


def test_a_page_is_kept_nowhere_and_can_do_nothing_but_post_to_us(site, token):
    for answer in (site.get(token), site.post(token), site.get("x"), site.get(token)):
        headers = answer.headers
        assert headers["cache-control"] == "no-store"
        assert headers["referrer-policy"] == "no-referrer"
        assert "noindex" in headers["x-robots-tag"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["content-security-policy"].startswith("default-src 'none'; style-src 'sha256-")
        assert "form-action 'self'" in headers["content-security-policy"]
        assert "set-cookie" not in headers
        for word in (b"<script", b"<img", b"<link", b"javascript:", b" onclick", b"@import"):
            assert word not in answer.body


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", "\"'><b>&amp;", "\u202eevil", "{{tenant_name}}", "%s%n", "李 مريم"]
)
def test_a_name_is_shown_as_itself_and_breaks_nothing(site, demo, token, name):
    demo.change_person("p1", display_name=name)
    text = site.get(token).body.decode()
    shown = name.replace("\u202e", "")
    assert f"<bdi>{html.escape(shown, quote=False)}</bdi>" in text.replace("&#39;", "'").replace(
        "&quot;", '"'
    )
    assert "<script>" not in text and "\u202e" not in text


def test_a_rotated_key_signs_and_the_old_one_still_opens_links(web, handbell, key, ids, token):
    program, site = web
    new = "7" * 64
    other = tokens.make_token(bytes.fromhex(new), *ids)
    assert site.get(other).status == 404
    old_text = handbell.key_file.read_text()
    handbell.key_file.write_text(f"{new}\n{old_text}")
    program.process.send_signal(signal.SIGHUP)
    process.wait_until(lambda: site.get(other).status == 200, 5, "the new key is believed")
    assert site.get(token).status == 200
    handbell.key_file.write_text("no key at all\n")
    program.process.send_signal(signal.SIGHUP)
    process.wait_until(lambda: "web_reload_failed" in program.log_text(), 5, "it says why not")
    assert site.get(other).status == 200 and site.get(token).status == 200
    assert "no key at all" not in program.log_text()
    handbell.key_file.write_text(f"{new}\n")
    program.process.send_signal(signal.SIGHUP)
    process.wait_until(lambda: site.get(token).status == 404, 5, "the old key is gone")


def test_the_answer_waits_for_a_mail_on_the_wire_and_no_longer_than_two_seconds(
    site, owner, ids, token
):
    owner.execute(
        """insert into message (tenant_id, person_id, due, expires_at, lane, state, kind, owner)
           values (%s, %s, now(), now() + interval '1 day', 5, 'transmitting', 'course_alert',
                   gen_random_uuid())""",
        ids,
    )
    timer = threading.Timer(0.5, lambda: owner.execute("delete from message"))
    timer.start()
    start = time.monotonic()
    assert b"may still arrive" not in site.post(token).body
    assert 0.4 < time.monotonic() - start
    timer.join()
    owner.execute(
        """insert into message (tenant_id, person_id, due, expires_at, lane, state, kind, owner)
           values (%s, %s, now(), now() + interval '1 day', 5, 'transmitting', 'course_alert',
                   gen_random_uuid())""",
        ids,
    )
    start = time.monotonic()
    assert b"may still arrive" in site.post(token).body
    assert 1.9 < time.monotonic() - start < 10


def test_health_follows_the_database(web, cluster):
    program, site = web
    process.wait_until(lambda: site.ask("GET", "/healthz").status == 200, 10, "health says yes")
    assert site.ask("HEAD", "/healthz").status == 200
    assert site.ask("POST", "/healthz", b"").headers["allow"] == "GET, HEAD"
    cluster.stop("immediate")
    try:
        process.wait_until(
            lambda: site.ask("GET", "/healthz").status == 503, 10, "health says no"
        )
    finally:
        cluster.start()
    process.wait_until(lambda: site.ask("GET", "/healthz").status == 200, 15, "health says yes")
    assert program.is_running()


def test_pages_that_could_take_no_opt_out_are_not_healthy_and_say_why_once(handbell):
    """Their login has no right: they would serve nothing but excuses."""
    port = process.free_port()
    web = handbell.make("web", schema.WORKER, {"web": {"listen": f"127.0.0.1:{port}"}}).start()
    process.wait_until(lambda: process.is_listening(port), 20, "the pages listen")
    process.wait_until(lambda: "permission denied" in web.log_text(), 20, "it is said before anybody asks")
    for _ in range(3):
        assert Site(f"http://127.0.0.1:{port}").ask("GET", "/healthz").status == 503
    assert web.log_text().count("event=page_call_refused") == 1


def test_a_click_during_a_restart_of_the_database_is_answered_and_holds(
    web, cluster, token, opted_out, connect
):
    site = web[1]
    cluster.restart("immediate")
    assert site.post(token).status == 200
    found = connect().execute("select topic from handbell.opt_out").fetchall()
    assert found == [("alerts",)]


@pytest.mark.parametrize("path", ["/", "/u", "/U/x", "/healthz/", "/favicon.ico", "/u/../healthz"])
def test_any_other_path_is_not_found(site, path):
    assert core_of(site.ask("GET", path)) == core_of(site.get("x"))


def test_the_log_counts_and_names_nobody(web, token, ids):
    program, site = web
    site.get(token)
    site.post(token)
    site.get("forged-thing")
    assert program.stop(5) == 0
    log = program.log_text()
    assert "event=web_counted looked=1 stopped=1 undone=0 refused=1" in log
    assert log.count("event=token_refused") == 1
    for word in (token, "forged-thing", "Ida", "O'Brien", "Westmarch", "/u/"):
        assert word not in log
