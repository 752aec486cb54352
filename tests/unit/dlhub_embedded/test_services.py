from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from dlhub_embedded.home import Home
from dlhub_embedded.services import Addresses, environment, metrics_ports, services, write_site_file
from dlhub_embedded.settings import SERVICES, Settings
from dlhub_task_manager.site_file import read_site_file

ADDRESSES = Addresses(
    amqp_url="amqp://u:broker-secret@h/",
    mongo_url="mongodb://u:mongo-secret@h/",
    blob_url="s3://bucket",
    gateway_port=8420,
    metrics_ports={"catalog": 15001, "builder": 15002, "task_manager": 15003},
)
SETTINGS = Settings.from_environment(
    {
        "PATH": "/bin",
        "AWS_SECRET_ACCESS_KEY": "store-secret",
        "DLHUB_BUILDER_INDEX_URL": "https://index-secret@h/",
        "DLHUB_INLINE_BYTES": "2048",
    }
)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path)
    home.make()
    return home


def secrets_of(name: str, home: Home) -> set[str]:
    text = str(environment(name, home, SETTINGS, ADDRESSES))
    return {word for word in ("broker", "mongo", "store", "index") if f"{word}-secret" in text}


@pytest.mark.parametrize(
    ("name", "secrets"),
    [
        ("catalog", {"broker", "mongo"}),
        ("builder", {"broker", "store", "index"}),
        ("task_manager", {"broker", "store"}),
        ("gateway", {"broker", "store"}),
    ],
)
def test_a_service_gets_the_secrets_that_it_needs(name: str, secrets: set[str], home: Home) -> None:
    assert secrets_of(name, home) == secrets


def test_the_token_itself_goes_to_no_service(home: Home) -> None:
    environments = {name: environment(name, home, SETTINGS, ADDRESSES) for name in SERVICES}
    assert home.admin_token() not in str(environments)
    expected = hashlib.sha256(home.admin_token().encode()).hexdigest()
    assert environments["catalog"]["DLHUB_ADMIN_TOKEN_SHA256"] == expected


def test_settings_for_all_go_to_all(home: Home) -> None:
    for name in SERVICES:
        assert environment(name, home, SETTINGS, ADDRESSES)["DLHUB_INLINE_BYTES"] == "2048"


def test_the_gateway_learns_where_to_listen(home: Home) -> None:
    own = environment("gateway", home, SETTINGS, ADDRESSES)
    assert (own["DLHUB_GATEWAY_HOST"], own["DLHUB_GATEWAY_PORT"]) == ("127.0.0.1", "8420")


def test_beside_the_gateway_services_listen_for_questions_about_figures_alone(home: Home) -> None:
    ports = {part.name: part.ports for part in services(home, SETTINGS, ADDRESSES)}
    assert ports == {
        "catalog": {"metrics": 15001},
        "builder": {"metrics": 15002},
        "task_manager": {"metrics": 15003},
        "gateway": {"http": 8420},
    }
    assert environment("builder", home, SETTINGS, ADDRESSES)["DLHUB_METRICS_PORT"] == "15002"


def test_every_service_has_a_port_of_its_own_for_its_figures(home: Home) -> None:
    found = metrics_ports(home, Settings.from_environment({"DLHUB_METRICS_PORT": "9000"}))
    assert set(found) == {"catalog", "builder", "task_manager"}
    assert len(set(found.values())) == 3
    assert metrics_ports(home, Settings()) == found
    home.release_ports()


def test_figures_can_be_kept_to_oneself(home: Home) -> None:
    assert metrics_ports(home, Settings.from_environment({"DLHUB_METRICS_PORT": "0"})) == {}


def test_the_task_manager_takes_the_site_file_which_stays_as_its_owner_left_it(home: Home) -> None:
    write_site_file(home)
    site = read_site_file(home.site_file)
    assert (site.name, site.accepts_defaults, site.environments) == ("local", True, ("venv",))
    home.site_file.write_text("name = 'mine'")
    write_site_file(home)
    assert home.site_file.read_text() == "name = 'mine'"
