"""The search of all logs (tests/conftest.py) finds what it is there to find."""

from tests.support import people


def test_a_name_or_an_address_in_a_log_is_found_and_other_words_are_not(tmp_path):
    person = people.make_person()
    people.remember(person)
    clean, named, addressed = (tmp_path / name for name in ("clean", "named", "addressed"))
    clean.write_text("level=info event=sent person=17 message=4 code=250\n")
    named.write_text(f"level=info\nname={person['last_name']}\n")
    addressed.write_text(f'error="550 5.1.1 <{person["email"].upper()}>: no such user"\n')
    found = people.find_in_logs([clean, named, addressed, tmp_path / "absent"])
    assert found == [(named, 2), (addressed, 1)]
