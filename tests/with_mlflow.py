"""MLflow as `pipeline.tracking.sync` imports it, and what it imports itself when it opens a store."""

import os

from pipeline.tracking.sync import ENVIRONMENT

os.environ |= ENVIRONMENT

import alembic.autogenerate  # noqa: F401
import mlflow.store.tracking.rest_store
import mlflow.store.tracking.sqlalchemy_store  # noqa: F401
