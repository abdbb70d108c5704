"""what a route that acknowledges later needs: tries, digests, and the other side's messages that were taken in"""

import sqlalchemy as sa
from alembic import op

from kpr.store.tables import Moment

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the tables forward."""
    op.add_column("attempt", sa.Column("tries", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("attempt", sa.Column("last_try_at", Moment(), nullable=True))
    op.add_column("attempt", sa.Column("digests", sa.String(), nullable=False, server_default=""))
    op.create_table(
        "taken",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("cycle_id", sa.String(), nullable=False),
        sa.Column("to_her_id", sa.String(), nullable=False),
        sa.Column("from_her_id", sa.String(), nullable=False),
        sa.Column("message_id", sa.String(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.ForeignKeyConstraint(
            ["cycle_id"],
            ["cycle.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("to_her_id", "from_her_id", "message_id"),
    )
    op.create_index(op.f("ix_taken_cycle_id"), "taken", ["cycle_id"], unique=False)


def downgrade() -> None:
    """Take it back."""
    op.drop_index(op.f("ix_taken_cycle_id"), table_name="taken")
    op.drop_table("taken")
    for name in ("digests", "last_try_at", "tries"):
        op.drop_column("attempt", name)
