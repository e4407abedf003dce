"""What is sealed for one place opens there, and nowhere else."""

from dataclasses import replace

import pytest

from penstock.keyring import Keyring
from penstock.vault import MasterKeys, Place, Unopenable, Wrapped, key_id_of, new_data_key, seal, unseal
from tests import make

KEY = new_data_key("0199f3a2-6c41-7b52-9d0e-3f1c5a7b9e21", 1)
PLACE = Place(make.SCOPE, "connections", "row", "settings")
OLD, NEW = b"o" * 32, b"n" * 32


def test_what_was_sealed_opens_at_its_place():
    text = seal(KEY, PLACE, b"sk_live_secret")
    assert "secret" not in text
    assert unseal(KEY, PLACE, text) == b"sk_live_secret"
    assert key_id_of(text) == KEY.id
    assert seal(KEY, PLACE, b"sk_live_secret") != text, "a nonce is never used twice"


@pytest.mark.parametrize(
    "elsewhere",
    [
        replace(PLACE, row_id="another"),
        replace(PLACE, table="webhooks"),
        replace(PLACE, column="notes"),
        replace(PLACE, scope=replace(make.SCOPE, workspace_id="w")),
        replace(PLACE, scope=replace(make.SCOPE, environment_id="e")),
        replace(PLACE, scope=replace(make.SCOPE, application_id="a")),
    ],
)
def test_what_was_sealed_opens_at_no_other_place(elsewhere):
    with pytest.raises(Unopenable):
        unseal(KEY, elsewhere, seal(KEY, PLACE, b"secret"))


def test_the_version_of_the_key_is_bound_in():
    with pytest.raises(Unopenable):
        unseal(replace(KEY, version=2), PLACE, seal(KEY, PLACE, b"secret"))


def test_altered_bytes_and_other_forms_do_not_open():
    text = seal(KEY, PLACE, b"secret")
    flipped = text[:-6] + ("A" if text[-6] != "A" else "B") + text[-5:]
    for bad in (flipped, text[:-8], text + "!", "", "v1", "v2" + text[2:], "v1.not-an-id.AAAA", '{"api_key": "x"}'):
        with pytest.raises(Unopenable):
            unseal(KEY, PLACE, bad)


def test_the_newest_master_key_wraps_and_every_one_of_the_ring_unwraps():
    wrapped = MasterKeys([OLD]).wrap(KEY, make.SCOPE)
    both = MasterKeys([NEW, OLD])
    assert both.unwrap(KEY.id, 1, wrapped, make.SCOPE) == KEY
    assert both.wrap(KEY, make.SCOPE).master_key == both.newest != wrapped.master_key
    with pytest.raises(Unopenable, match="not set"):
        MasterKeys([NEW]).unwrap(KEY.id, 1, wrapped, make.SCOPE)


def test_a_wrapped_key_serves_its_own_tenant_and_row_alone():
    masters = MasterKeys([NEW])
    wrapped = masters.wrap(KEY, make.SCOPE)
    for key_id, scope in (("another", make.SCOPE), (KEY.id, make.scope())):
        with pytest.raises(Unopenable):
            masters.unwrap(key_id, 1, wrapped, scope)
    with pytest.raises(Unopenable):
        masters.unwrap(KEY.id, 1, Wrapped(wrapped.master_key, b"short"), make.SCOPE)


def test_no_key_is_in_a_repr():
    assert KEY.secret.hex() not in repr(KEY)
    assert str(KEY.secret) not in repr(KEY)


def test_the_root_secret_stays_in_the_ring_behind_the_master_keys():
    first = Keyring(b"root secret of this installation")
    wrapped = first.masters.wrap(KEY, make.SCOPE)
    later = Keyring(b"root secret of this installation", masters=[b"a master secret"])
    assert later.masters.newest != first.masters.newest
    assert later.masters.unwrap(KEY.id, 1, wrapped, make.SCOPE) == KEY
    replaced = Keyring(
        b"another root secret altogether", masters=[b"another root secret altogether", b"a master secret"]
    )
    anew = later.masters.wrap(KEY, make.SCOPE)
    assert replaced.masters.unwrap(KEY.id, 1, anew, make.SCOPE) == KEY
