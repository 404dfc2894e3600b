from pathlib import Path

import pytest

from app.settings import Settings, SettingsError, overruled_variables, unknown_variables, variable


@pytest.fixture(autouse=True)
def bare_folder(tmp_path, monkeypatch):
    """Run in an empty folder with no setting in the environment."""
    for name in (*Settings.model_fields, "cashe"):
        monkeypatch.delenv(variable(name), raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_defaults_are_in_force_when_nothing_is_set():
    settings = Settings.load()
    assert settings.database == Path("data/liqheat.duckdb")
    assert (settings.host, settings.port, settings.warmup_days) == ("127.0.0.1", 8050, 30)
    assert settings.threads >= 2
    assert {settings.source(name) for name in Settings.model_fields} == {"default"}


def test_env_file_beats_environment_and_option_beats_both(bare_folder, monkeypatch):
    monkeypatch.setenv("LIQHEAT_PORT", "8001")
    monkeypatch.setenv("LIQHEAT_HOST", "0.0.0.0")
    assert (Settings.load().port, Settings.load().source("port")) == (8001, "environment")
    (bare_folder / ".env").write_text("LIQHEAT_PORT=8002\n")
    assert (Settings.load().port, Settings.load().source("port")) == (8002, ".env")
    settings = Settings.load(port=8003)
    assert (settings.port, settings.source("port")) == (8003, "option")
    assert (settings.host, settings.source("host")) == ("0.0.0.0", "environment")


def test_an_option_that_is_not_given_leaves_the_setting_alone(monkeypatch):
    monkeypatch.setenv("LIQHEAT_PORT", "8001")
    assert Settings.load(port=None).port == 8001


def test_an_empty_variable_is_not_set(monkeypatch):
    monkeypatch.setenv("LIQHEAT_PORT", "")
    assert Settings.load().port == 8050


def test_a_home_folder_is_expanded(monkeypatch):
    monkeypatch.setenv("HOME", "/home/somebody")
    assert Settings.load(cache_dir="~/cache").cache_dir == Path("/home/somebody/cache")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("port", "abc", "LIQHEAT_PORT must be a valid integer, but is 'abc'"),
        ("port", "65536", "LIQHEAT_PORT must be less than or equal to 65535, but is '65536'"),
        ("threads", "0", "LIQHEAT_THREADS must be greater than or equal to 1, but is '0'"),
        (
            "warmup_days",
            "-1",
            "LIQHEAT_WARMUP_DAYS must be greater than or equal to 0, but is '-1'",
        ),
        (
            "database",
            "~nouser/x",
            "LIQHEAT_DATABASE must be in the home folder of a user that exists here, but is "
            "'~nouser/x'",
        ),
        (
            "log_level",
            "loud",
            "LIQHEAT_LOG_LEVEL must be 'debug', 'info', 'warning' or 'error', but is 'loud'",
        ),
        *(
            (
                "allowed_hosts",
                names,
                "LIQHEAT_ALLOWED_HOSTS must be names of this computer separated by commas, "
                f"without ports, or *, but is '{names}'",
            )
            for names in ("maps.lan:80", "http://maps.lan", "maps.lan other.lan")
        ),
        *(
            (
                "cors_origins",
                origins,
                "LIQHEAT_CORS_ORIGINS must be origins separated by commas, as in "
                f"https://example.org, but is '{origins}'",
            )
            for origins in ("desk.example", "https://desk.example/page", "http://", "http://[")
        ),
        *(
            (
                "hyperliquid_users",
                users,
                "LIQHEAT_HYPERLIQUID_USERS must be addresses of 0x and 40 digits from 0 to f, "
                f"separated by commas, but is '{users}'",
            )
            for users in ("ada", "0x12", "a" * 40, f"0x{'g' * 40}", f"0x{'1' * 40}0")
        ),
        *(
            (
                "rate_limit",
                rate,
                "LIQHEAT_RATE_LIMIT must be a number of requests in a time, as 1200/minute, or "
                f"off, but is '{rate}'",
            )
            for rate in ("fast", "5", "0/minute", "-1/minute", "1/second;2/minute")
        ),
    ],
)
def test_a_bad_value_is_named_with_what_was_expected(name, value, message, monkeypatch):
    monkeypatch.setenv(variable(name), value)
    with pytest.raises(SettingsError) as caught:
        Settings.load()
    assert str(caught.value) == message


def test_lists_are_separated_by_commas(monkeypatch):
    monkeypatch.setenv("LIQHEAT_ALLOWED_HOSTS", "maps.lan, other.lan,")
    monkeypatch.setenv("LIQHEAT_CORS_ORIGINS", "https://desk.example,http://localhost:3000")
    settings = Settings.load()
    assert settings.allowed_hosts == ("maps.lan", "other.lan")
    assert settings.cors_origins == ("https://desk.example", "http://localhost:3000")


def test_users_are_named_once_each_in_lower_case(monkeypatch):
    first, second = f"0x{'a1' * 20}", f"0x{'2' * 40}"
    monkeypatch.setenv("LIQHEAT_HYPERLIQUID_USERS", f"{first}, {second},0x{'A1' * 20}")
    assert Settings.load().hyperliquid_users == (first, second)


@pytest.mark.parametrize(("text", "rate"), [("off", ""), ("OFF", ""), ("5 per hour", "5 per hour")])
def test_a_rate_is_a_number_in_a_time_or_off(text, rate, monkeypatch):
    monkeypatch.setenv("LIQHEAT_RATE_LIMIT", text)
    assert Settings.load().rate_limit == rate


@pytest.mark.parametrize("login", ["hunter2", "ada:", ":hunter2"])
def test_a_log_in_is_a_user_and_a_password_and_never_shown(login, monkeypatch):
    monkeypatch.setenv("LIQHEAT_LOGIN", login)
    with pytest.raises(SettingsError) as caught:
        Settings.load()
    assert str(caught.value) == ("LIQHEAT_LOGIN must be a user and a password, user:password")
    assert "hunter2" not in str(caught.value.__cause__)


def test_secrets_are_not_shown(monkeypatch):
    monkeypatch.setenv("LIQHEAT_LOGIN", "ada:hunter2")
    monkeypatch.setenv("LIQHEAT_API_TOKEN", "hunter3")
    settings = Settings.load()
    assert settings.login.get_secret_value() == "ada:hunter2"
    for shown in (repr(settings), str(settings), settings.model_dump_json()):
        assert "hunter" not in shown


def test_a_bad_value_is_named_as_it_was_given(bare_folder):
    with pytest.raises(SettingsError, match=r"^--warmup-days must be"):
        Settings.load(warmup_days=-1)
    (bare_folder / ".env").write_text("LIQHEAT_PORT=abc\n")
    with pytest.raises(SettingsError, match=r"^LIQHEAT_PORT in \.env must be"):
        Settings.load()


def test_all_bad_values_are_named_at_once(monkeypatch):
    monkeypatch.setenv("LIQHEAT_PORT", "abc")
    monkeypatch.setenv("LIQHEAT_THREADS", "none")
    with pytest.raises(SettingsError, match=r"LIQHEAT_PORT.*; LIQHEAT_THREADS"):
        Settings.load()


def test_an_env_file_in_another_encoding_is_a_sentence(bare_folder):
    (bare_folder / ".env").write_bytes("LIQHEAT_HOST=höst".encode("latin-1"))
    with pytest.raises(SettingsError, match=r"\.env must be UTF-8"):
        Settings.load()


def test_names_of_no_setting_are_found_wherever_they_stand(bare_folder, monkeypatch):
    monkeypatch.setenv("LIQHEAT_CASHE", "1")
    (bare_folder / ".env").write_text("LIQHEAT_DATABSE=x\nLIQHEAT_PORT=1\nOTHER=2\n")
    assert unknown_variables() == ["LIQHEAT_CASHE", "LIQHEAT_DATABSE"]


def test_a_variable_that_the_env_file_replaces_is_found(bare_folder, monkeypatch):
    monkeypatch.setenv("LIQHEAT_PORT", "8001")
    monkeypatch.setenv("LIQHEAT_HOST", "localhost")
    (bare_folder / ".env").write_text("LIQHEAT_PORT=8002\nLIQHEAT_HOST=localhost\n")
    assert overruled_variables() == ["LIQHEAT_PORT"]


def test_what_is_collected_is_read_in_any_case_and_each_once(monkeypatch):
    monkeypatch.setenv("LIQHEAT_COLLECT", "yes")
    monkeypatch.setenv("LIQHEAT_COLLECT_EXCHANGES", "OKX, bybit,okx")
    monkeypatch.setenv("LIQHEAT_COLLECT_SYMBOLS", "btcusdt")
    settings = Settings.load()
    assert settings.collect
    assert settings.collect_exchanges == ("okx", "bybit")
    assert settings.collect_symbols == ("BTCUSDT",)


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("EXCHANGES", "okx,mars", "must be of binance, bybit, okx, hyperliquid, but is 'okx,mars'"),
        ("SYMBOLS", "BTC/USDT", "must be like BTCUSDT,ETHUSDT, but is 'BTC/USDT'"),
    ],
)
def test_what_can_not_be_collected_is_said(monkeypatch, name, value, sentence):
    monkeypatch.setenv(f"LIQHEAT_COLLECT_{name}", value)
    with pytest.raises(SettingsError, match=f"LIQHEAT_COLLECT_{name} {sentence}"):
        Settings.load()


@pytest.mark.parametrize("name", ["STREAM_URLS", "REST_URLS"])
def test_another_address_of_an_unknown_exchange_is_refused(monkeypatch, name):
    url = "wss://a.example" if name == "STREAM_URLS" else "https://a.example"
    monkeypatch.setenv(f"LIQHEAT_{name}", f"bybit={url},bibit={url}")
    expected = "must be for exchanges of binance, bybit, okx, hyperliquid, but is "
    with pytest.raises(SettingsError, match=f"LIQHEAT_{name} {expected}"):
        Settings.load()


def test_what_is_neither_yes_nor_no_is_said_in_words(monkeypatch):
    monkeypatch.setenv("LIQHEAT_COLLECT", "yes please")
    with pytest.raises(SettingsError, match="LIQHEAT_COLLECT must be true or false, but is 'yes"):
        Settings.load()
