"""A tenant's brand: what is stored as stated, and what is refused by the key that is wrong."""

import base64
import json

import pytest

from tests.support.queue_calls import FROM_START, Queue, tenant_id_of
from tests.support.refusals import BAD_FACT, refusal
from tests.support.schema import WORKER

PNG = b"\x89PNG\r\n\x1a\n"
JPEG = b"\xff\xd8\xff\xe0"
GIF = b"GIF89a"


def logo(data=PNG, **more):
    return {"type": "image/png", "alt": "Westmarch", "base64": base64.b64encode(data).decode(), **more}


BAD = [
    ({"colour": "navy"}, 'key "brand.colour": must be a colour'),
    ({"colour": "#fff"}, 'key "brand.colour": must be a colour'),
    ({"colour": "#1d4e89;"}, 'key "brand.colour": must be a colour'),
    ({"colour": "#ffffff"}, 'key "brand.colour": too light'),
    ({"colour": "#777777"}, 'key "brand.colour": too light'),  # 4.48
    ({"color": "#000000"}, 'key "brand.color": unknown key; did you mean "colour"?'),
    ({"name": "a\nb"}, 'key "brand.name": must be one line'),
    ({"logo": "logo.png"}, 'key "brand.logo": must be a JSON object'),
    ({"logo": {}}, 'key "brand.logo.type": must be given'),
    ({"logo": logo(alt="")}, 'key "brand.logo.alt": must be given'),
    ({"logo": logo(alt=None)}, 'key "brand.logo.alt": must not be null'),
    ({"logo": logo(type="image/svg+xml")}, 'key "brand.logo.type": must be one of image/png'),
    ({"logo": logo(JPEG)}, 'key "brand.logo.base64": does not begin as an image of its type'),
    ({"logo": logo(b"")}, 'key "brand.logo.base64": must be base64'),
    ({"logo": logo(base64="abc")}, 'key "brand.logo.base64": must be base64'),
    ({"logo": logo(base64="ab=c")}, 'key "brand.logo.base64": must be base64'),
    ({"logo": logo(base64="iVBO\nRw0K")}, 'key "brand.logo.base64": must be base64'),
    ({"logo": logo(PNG + bytes(59993))}, 'key "brand.logo.base64": more than 60000 bytes'),
    ({"logo": logo(width=0)}, 'key "brand.logo.width": must be a whole number from 1 to 1200'),
    ({"logo": logo(height=1.5)}, 'key "brand.logo.height": must be a whole number'),
    ({"logo": logo(url="https://a.test/x.png")}, 'key "brand.logo.url": unknown key'),
]


def test_each_bad_brand_is_refused_by_its_key_and_changes_nothing(demo, owner):
    demo.put_tenant(brand={"name": "W"})
    for brand, words in BAD:
        seen, message = refusal(demo, "put_tenant", {"brand": brand})
        assert seen == BAD_FACT and words in message, (words, message)
    assert owner.execute("select brand from tenant").fetchone() == ({"name": "W"},)


@pytest.mark.parametrize("data, type_", [
    (PNG + bytes(59992), "image/png"), (JPEG, "image/jpeg"), (GIF, "image/gif"), (b"GIF87a", "image/gif"),
])  # fmt: skip
def test_a_logo_of_each_type_and_up_to_the_limit_is_taken(demo, data, type_):
    facts = {"brand": {"logo": logo(data, type=type_)}}
    assert demo.call("put_tenant", facts) == "changed"
    assert demo.call("put_tenant", facts) == "unchanged"


@pytest.mark.parametrize("colour", ["#000000", "#1D4E89", "#767676", "#cc0000"])  # 4.54 and more
def test_a_colour_on_which_white_text_can_be_read_is_taken(demo, owner, colour):
    assert demo.call("put_tenant", {"brand": {"colour": colour}}) == "changed"
    assert owner.execute("select brand ->> 'colour' from tenant").fetchone() == (colour.lower(),)


def test_null_clears_a_brand_and_a_part_of_it_is_left_out(demo, owner):
    demo.put_tenant(brand={"name": "W", "logo": None})
    assert owner.execute("select brand from tenant").fetchone() == ({"name": "W"},)
    assert demo.call("put_tenant", {"brand": None}) == "changed"
    assert owner.execute("select brand from tenant").fetchone() == (None,)


def test_a_claim_brings_the_brand_once_whatever_the_number_of_mails(demo, owner, connect):
    brand = {"name": "W", "colour": "#1d4e89", "logo": logo(width=120, height=40)}
    demo.put_tenant(brand=brand)
    demo.put_course("c")
    for number in range(3):
        demo.put_person(f"p{number}")
        demo.put_booking(f"b{number}", "c", f"p{number}", status="confirmed")
    worker = Queue(connect(WORKER)).start()
    rows = worker.connection.execute(
        "select what, data from handbell.claim(%s, %s, 3::smallint, 1::smallint, 10, %s, %s)",
        [tenant_id_of(owner), worker.owner, *FROM_START],
    ).fetchall()
    holding = [(what, json.loads(data)) for what, data in rows if brand["logo"]["base64"] in data]
    assert [(what, data["brand"]) for what, data in holding] == [("tenant", brand)]
    assert [what for what, _ in rows].count("message") == 3


@pytest.mark.parametrize("language", ["en-GB", "cy"])
def test_the_languages_in_which_mails_are_written_are_taken(demo, language):
    demo.put_tenant(language=language)
    demo.put_person("p", language=language)
    assert demo.change_person("p", language=language) == "unchanged"
