"""The tables of studies: raters and their votes."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "raters",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("receipt", sa.String(64), nullable=False),
        sa.Column("study", sa.String(16), nullable=False),
        sa.Column("session", sa.Integer, nullable=False),
        sa.Column("received", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_raters"),
    )
    op.create_index("ix_raters_study", "raters", ["study"])
    op.create_table(
        "votes",
        sa.Column("rater", sa.String(32), nullable=False),
        sa.Column("place", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("answer", sa.String(8), nullable=False),
        sa.Column("ms", sa.Integer, nullable=False),
        sa.Column("received", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("rater", "place", name="pk_votes"),
        sa.ForeignKeyConstraint(["rater"], ["raters.id"], name="fk_votes_rater"),
    )
