"""One PostgreSQL for all tests of the server, and one MLflow server that each test finds up."""

import signal

import pytest

from tests.forks import imported
from tests.services.machine import Postgres, Server, postgres_programs


@pytest.fixture(scope="session", autouse=True)
def children_have_mlflow():
    imported("tests.with_mlflow")


@pytest.fixture(scope="session")
def postgres():
    programs = postgres_programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    database = Postgres(programs)
    yield database
    database.stop()


@pytest.fixture(scope="session")
def the_server(postgres, tmp_path_factory):
    store = f"postgresql://mlflow@127.0.0.1:{postgres.port}/runs"
    server = Server(tmp_path_factory.mktemp("server"), store)
    yield server
    server.kill()


@pytest.fixture
def server(the_server):
    """Up when a test begins, whatever the last one did to it."""
    if the_server.process is None:
        the_server.start()
    yield the_server
    if the_server.process is not None:
        the_server.signal(signal.SIGCONT)
