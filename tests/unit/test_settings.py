"""Settings come from the environment and a file, and say what to do when they cannot be used."""

import os
import re
import threading
from pathlib import Path

import pytest

from penstock import settings as settings_module
from penstock.keyring import Keyring, open_keyring, secret_file
from penstock.settings import BadSettings, load, unknown_variables

SECRET = "a1b2c3d4e5f6g7h8i9j0k1l2m3n4o5p6"


@pytest.fixture(autouse=True)
def _clean_desk(monkeypatch, tmp_path):
    for name in list(os.environ):
        if name.startswith("PENSTOCK_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def complaint(**given):
    with pytest.raises(BadSettings) as caught:
        load(**given)
    return str(caught.value)


def test_without_any_setting_everything_is_in_one_folder_here(tmp_path):
    settings = load()
    assert settings.sqlite_file == tmp_path / "penstock-state" / "penstock.db"
    assert settings.sandbox_bank == str(tmp_path / "penstock-state" / "bank.db")
    assert (settings.host, settings.port, settings.public_url) == ("127.0.0.1", 8000, "http://localhost:8000")
    assert settings.redis_url is None


def test_loading_settings_touches_no_file(tmp_path):
    load()
    assert list(tmp_path.iterdir()) == []


def test_the_environment_goes_over_the_file_and_the_command_line_over_both(monkeypatch, tmp_path):
    (tmp_path / "penstock.toml").write_text('port = 9001\nthreads = 4\nlog_level = "error"\n')
    monkeypatch.setenv("PENSTOCK_PORT", "9002")
    monkeypatch.setenv("PENSTOCK_THREADS", "5")
    settings = load(port=9003, host=None)
    assert (settings.port, settings.threads, settings.log_level) == (9003, 5, "error")


def test_a_file_elsewhere_is_read_when_it_is_named(monkeypatch, tmp_path):
    (tmp_path / "other.toml").write_text("port = 9001\n")
    monkeypatch.setenv("PENSTOCK_CONFIG", str(tmp_path / "other.toml"))
    assert load().port == 9001


def test_a_named_file_that_is_not_there_is_an_error(monkeypatch):
    monkeypatch.setenv("PENSTOCK_CONFIG", "nowhere.toml")
    assert "nowhere.toml" in complaint()


def test_a_file_that_is_no_toml_is_named(tmp_path):
    (tmp_path / "penstock.toml").write_text("port: 9001")
    assert "penstock.toml" in complaint()


def test_a_misspelt_setting_is_refused_with_the_right_name(tmp_path):
    (tmp_path / "penstock.toml").write_text('databse_url = "sqlite:///x.db"\n')
    assert "did you mean database_url?" in complaint()


def test_a_misspelt_variable_is_reported(monkeypatch):
    monkeypatch.setenv("PENSTOCK_DATABASE", "sqlite:///x.db")
    assert unknown_variables() == ["PENSTOCK_DATABASE is not a setting (did you mean PENSTOCK_DATABASE_URL?)"]


def test_the_public_address_follows_the_port_unless_it_is_set(monkeypatch):
    assert load(port=9001).public_url == "http://localhost:9001"
    monkeypatch.setenv("PENSTOCK_PORT", "9004")
    assert load().public_url == "http://localhost:9004"
    assert load(public_url="https://pay.example.com/").public_url == "https://pay.example.com"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("sqlite:////srv/shop.db", "sqlite:////srv/shop.db"),
        ("postgres://u:p@h/n", "postgresql+psycopg://u:p@h/n"),
        ("postgresql://u:p@h:5432/n?sslmode=require", "postgresql+psycopg://u:p@h:5432/n?sslmode=require"),
    ],
)
def test_a_database_address_is_taken_as_people_write_it(given, kept):
    assert load(database_url=given).database_url == kept


def test_a_relative_database_file_stays_where_it_was_when_the_program_moves(tmp_path, monkeypatch):
    settings = load(database_url="sqlite:///shop.db")
    monkeypatch.chdir("/")
    assert settings.sqlite_file == tmp_path / "shop.db"


@pytest.mark.parametrize("url", ["mysql://h/n", "sqlite://", "sqlite:///:memory:", "shop.db", "sqlite:///x.db?mode=ro"])
def test_a_database_that_cannot_serve_is_refused_with_an_example(url):
    assert complaint(database_url=url).startswith("PENSTOCK_DATABASE_URL: ")
    assert "sqlite:///" in complaint(database_url=url) or "only the file" in complaint(database_url=url)


@pytest.mark.parametrize(
    ("given", "begins"),
    [({"database_url": "sqlite://"}, "SQLite needs"), ({"database_url": "x"}, "write "), ({"port": "many"}, "input ")],
)
def test_a_complaint_goes_on_in_small_letters_unless_it_begins_with_a_name(given, begins):
    (name,) = given
    assert complaint(**given).startswith(f"PENSTOCK_{name.upper()}: {begins}")


@pytest.mark.parametrize(
    "fault",
    [
        {"port": 70000},
        {"workers": 0},
        {"log_level": "loud"},
        {"validate_responses": "maybe"},
        {"public_url": "ftp://x"},
        {"public_url": "https://u:p@x"},
        {"redis_url": "http://x"},
        {"otel_endpoint": "x"},
    ],
)
def test_every_fault_names_its_variable(fault):
    assert complaint(**fault).startswith(f"PENSTOCK_{next(iter(fault)).upper()}: ")


@pytest.mark.parametrize("secret", ["short", "a" * 64, "changeme"])
def test_a_secret_that_can_be_guessed_is_refused_and_not_repeated(secret):
    said = complaint(secret_key=secret)
    assert "openssl rand -base64 32" in said
    assert secret not in said


def test_no_secret_is_in_a_repr():
    settings = load(secret_key=SECRET, database_url="postgresql://u:hunter2@h/n", redis_url="redis://:hunter3@h/0")
    shown = repr(settings) + str(settings) + repr(open_keyring(settings))
    assert not any(word in shown for word in (SECRET, "hunter2", "hunter3"))


def test_every_setting_has_a_sentence_that_explains_it():
    assert [name for name, field in settings_module.Settings.model_fields.items() if not field.description] == []


def test_with_sqlite_the_secret_is_made_once_and_for_the_owner_alone():
    settings = load()
    first = open_keyring(settings, may_make=True).key("cursors")
    file = secret_file(settings)
    assert file == settings.sqlite_file.with_suffix(".key")
    assert file.stat().st_mode & 0o777 == 0o600
    assert open_keyring(settings).key("cursors") == first


def test_twenty_that_start_together_read_one_secret():
    settings, barrier, keys = load(), threading.Barrier(20), []

    def start():
        barrier.wait()
        keys.append(open_keyring(settings, may_make=True).key("api-keys"))

    threads = [threading.Thread(target=start) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(keys), len(set(keys))) == (20, 1)
    assert [path.name for path in secret_file(settings).parent.iterdir()] == ["penstock.key"]


def test_a_secret_that_others_can_read_is_refused():
    settings = load()
    open_keyring(settings, may_make=True)
    secret_file(settings).chmod(0o644)
    with pytest.raises(BadSettings, match="chmod 600"):
        open_keyring(settings, may_make=True)


def test_a_damaged_secret_is_not_replaced_in_silence():
    settings = load()
    open_keyring(settings, may_make=True)
    secret_file(settings).write_bytes(b"")
    with pytest.raises(BadSettings, match="backup"):
        open_keyring(settings, may_make=True)


def test_a_folder_that_cannot_be_made_is_an_error_that_names_it():
    Path("penstock-state").write_text("a file in the way")
    with pytest.raises(BadSettings, match="penstock-state"):
        open_keyring(load(), may_make=True)


def test_with_postgresql_the_secret_has_to_be_set():
    with pytest.raises(BadSettings, match="PENSTOCK_SECRET_KEY"):
        open_keyring(load(database_url="postgresql://h/n"))
    assert open_keyring(load(database_url="postgresql://h/n", secret_key=SECRET)).key("cursors")


def test_every_purpose_has_a_key_of_its_own():
    keyring = Keyring(SECRET.encode())
    purposes = ("api-keys", "cursors", "embed-tokens", "dashboard-tokens", "digests")
    assert len({keyring.key(purpose) for purpose in purposes}) == 5
    assert all(len(keyring.key(purpose)) == 32 for purpose in purposes)
    assert Keyring(SECRET.encode()).key("cursors") == keyring.key("cursors")
    assert Keyring(SECRET.encode() + b"!").key("cursors") != keyring.key("cursors")


def test_the_operator_s_guide_lists_every_setting_and_no_other():
    guide = (Path(__file__).resolve().parents[2] / "docs" / "operators" / "settings.md").read_text()
    listed = set(re.findall(r"^\| `(PENSTOCK_[A-Z_]+)` \|", guide, re.MULTILINE))
    assert listed - {"PENSTOCK_CONFIG", "PENSTOCK_TRACE_PLUGINS"} == {
        f"PENSTOCK_{name.upper()}" for name in settings_module.Settings.model_fields
    }
