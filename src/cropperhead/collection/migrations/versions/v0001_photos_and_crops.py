"""The first tables: photos, crops, consents, withdrawals and bans."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_SIDES = ("top", "left", "bottom", "right", "angle")


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "photos",
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("bytes", sa.Integer, nullable=False),
        sa.Column("width", sa.Integer, nullable=False),
        sa.Column("height", sa.Integer, nullable=False),
        sa.Column("received", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("sha256", name="pk_photos"),
    )
    op.create_table(
        "consents",
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("received", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("sha256", name="pk_consents"),
    )
    op.create_table(
        "crops",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("photo", sa.String(64), nullable=False),
        sa.Column("author", sa.String(64), nullable=False),
        sa.Column("receipt", sa.String(64), nullable=False),
        sa.Column("consent", sa.String(64), nullable=False),
        sa.Column("status", sa.String(8), nullable=False),
        sa.Column("received", sa.BigInteger, nullable=False),
        sa.Column("moderated", sa.BigInteger),
        *(sa.Column(f"crop_{side}", sa.Float(53), nullable=False) for side in _SIDES),
        sa.Column("shown", sa.String(16), nullable=False),
        sa.Column("started_from", sa.String(16), nullable=False),
        *(sa.Column(f"started_{side}", sa.Float(53), nullable=False) for side in _SIDES),
        *(sa.Column(f"suggested_{side}", sa.Float(53)) for side in _SIDES),
        sa.Column("suggested_by", sa.String(64)),
        sa.Column("confidence", sa.Float(53)),
        sa.PrimaryKeyConstraint("id", name="pk_crops"),
        sa.ForeignKeyConstraint(["photo"], ["photos.sha256"], name="fk_crops_photo"),
        sa.ForeignKeyConstraint(["consent"], ["consents.sha256"], name="fk_crops_consent"),
        sa.CheckConstraint(
            "crop_top < crop_bottom AND crop_left < crop_right", name="ck_crops_rectangle"
        ),
        sa.CheckConstraint("status IN ('new', 'accepted', 'rejected')", name="ck_crops_status"),
    )
    for column in ("photo", "author", "status"):
        op.create_index(f"ix_crops_{column}", "crops", [column])
    op.create_table(
        "withdrawals",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("receipt", sa.String(64), nullable=False),
        sa.Column("withdrawn", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_withdrawals"),
    )
    op.create_table(
        "bans",
        sa.Column("author", sa.String(64), nullable=False),
        sa.Column("banned", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("author", name="pk_bans"),
    )
