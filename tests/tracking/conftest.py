"""One real store for all tests of tracking: making one takes seconds."""

import pytest


@pytest.fixture(scope="session")
def uri(tmp_path_factory):
    return f"sqlite:///{tmp_path_factory.mktemp('store')}/mlflow.db"
