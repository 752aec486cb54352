from __future__ import annotations

import pytest

from dlhub_embedded.errors import BadSettings
from dlhub_embedded.settings import SERVICES, Settings


def test_the_environment_sets_what_it_names() -> None:
    settings = Settings.from_environment({"DLHUB_GATEWAY_PORT": "9000", "DLHUB_AMQP_URL": "amqp://x"})
    assert (settings.gateway_port, settings.amqp_url) == (9000, "amqp://x")


def test_what_is_given_goes_before_the_environment() -> None:
    settings = Settings.from_environment(
        {"DLHUB_GATEWAY_PORT": "9000"}, gateway_port=9001, gateway_processes=None
    )
    assert (settings.gateway_port, settings.gateway_processes) == (9001, 1)


def test_other_variables_are_passed_on_but_not_the_callers_own() -> None:
    settings = Settings.from_environment({"DLHUB_INLINE_BYTES": "1", "DLHUB_TOKEN": "t", "OTHER": "o"})
    assert settings.passed_on == {"DLHUB_INLINE_BYTES": "1"}


def test_only_harmless_variables_are_inherited() -> None:
    settings = Settings.from_environment(
        {"PATH": "/bin", "LC_ALL": "C", "AWS_SECRET_ACCESS_KEY": "s", "PASSWORD": "p"}
    )
    assert settings.inherited == {"PATH": "/bin", "LC_ALL": "C"}
    assert settings.object_store == {"AWS_SECRET_ACCESS_KEY": "s"}


def test_every_service_has_a_command() -> None:
    assert set(Settings().services) == set(SERVICES)


def test_a_wrong_setting_is_named_without_its_value() -> None:
    with pytest.raises(BadSettings, match="DLHUB_GATEWAY_PORT: ") as error:
        Settings.from_environment({"DLHUB_GATEWAY_PORT": "hunter2"})
    assert "hunter2" not in str(error.value)


def test_secrets_do_not_show() -> None:
    assert "hunter2" not in repr(Settings(amqp_url="amqp://u:hunter2@h", passed_on={"DLHUB_X": "hunter2"}))


def test_settings_survive_the_way_to_the_background() -> None:
    settings = Settings(gateway_port=9000, mongo_url="mongodb://u:p@h")
    assert Settings.model_validate_json(settings.model_dump_json()) == settings
