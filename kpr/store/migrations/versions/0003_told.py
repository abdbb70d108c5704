"""what people were told, each thing once, and when the answers were last fetched"""

import sqlalchemy as sa
from alembic import op

from kpr.store.tables import Moment

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the tables forward."""
    op.create_table(
        "told",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("cycle_id", sa.String(), nullable=False),
        sa.Column("alarm_id", sa.String(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("claimed_at", Moment(), nullable=False),
        sa.Column("told_at", Moment(), nullable=True),
        sa.ForeignKeyConstraint(
            ["cycle_id"],
            ["cycle.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("alarm_id", "channel"),
    )
    op.create_index(op.f("ix_told_cycle_id"), "told", ["cycle_id"], unique=False)
    op.create_table(
        "collected",
        sa.Column("cycle_id", sa.String(), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.ForeignKeyConstraint(
            ["cycle_id"],
            ["cycle.id"],
        ),
        sa.PrimaryKeyConstraint("cycle_id"),
    )


def downgrade() -> None:
    """Take it back."""
    op.drop_table("collected")
    op.drop_index(op.f("ix_told_cycle_id"), table_name="told")
    op.drop_table("told")
