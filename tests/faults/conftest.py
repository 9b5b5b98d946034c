"""What all tests of faults share."""

import pytest

from tests.forks import imported


@pytest.fixture(scope="session", autouse=True)
def children_have_mlflow():
    imported("tests.with_mlflow")
