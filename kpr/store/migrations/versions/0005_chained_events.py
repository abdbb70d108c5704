"""events say in which role, and each carries a hash over the one before it; those that exist are chained now"""

import sqlalchemy as sa
from alembic import op

from kpr.store.chain import FIELDS, link
from kpr.store.tables import Moment

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

#: Events never change: this once they must, inside the transaction of the migration.
_LIFT = {"sqlite": "DROP TRIGGER event_no_update", "postgresql": "ALTER TABLE event DISABLE TRIGGER event_append_only"}
_PUT_BACK = {
    "sqlite": "CREATE TRIGGER event_no_update BEFORE UPDATE ON event "
    "BEGIN SELECT RAISE(ABORT, 'events are append-only'); END",
    "postgresql": "ALTER TABLE event ENABLE TRIGGER event_append_only",
}

_CYCLE = sa.table("cycle", sa.column("id"), sa.column("head"))
_EVENT = sa.table(
    "event",
    sa.column("id"),
    sa.column("chain"),
    *(sa.column(name, Moment()) if name == "at" else sa.column(name, sa.String()) for name in FIELDS),
)


def upgrade() -> None:
    """Bring the tables forward."""
    op.add_column("cycle", sa.Column("head", sa.String(), nullable=False, server_default=""))
    for name in ("role", "chain"):
        op.add_column("event", sa.Column(name, sa.String(), nullable=False, server_default=""))
    database = op.get_bind()
    op.execute(_LIFT[database.dialect.name])
    _chain(database)
    op.execute(_PUT_BACK[database.dialect.name])


def _chain(database: sa.Connection) -> None:
    """Chain what happened before, each cycle for itself, in the order in which it was written."""
    heads: dict[str, str] = {}
    chained = []
    for row in database.execute(sa.select(_EVENT).order_by(_EVENT.c.id)).mappings():
        heads[row["cycle_id"]] = chain = link(heads.get(row["cycle_id"], ""), {**row})
        chained.append({"event_id": row["id"], "new": chain})
    if not chained:
        return
    one = sa.update(_EVENT).where(_EVENT.c.id == sa.bindparam("event_id")).values(chain=sa.bindparam("new"))
    database.execute(one, chained)
    cycle = sa.update(_CYCLE).where(_CYCLE.c.id == sa.bindparam("cycle_id")).values(head=sa.bindparam("new"))
    database.execute(cycle, [{"cycle_id": each, "new": head} for each, head in heads.items()])


def downgrade() -> None:
    """Take it back."""
    for name in ("chain", "role"):
        op.drop_column("event", name)
    op.drop_column("cycle", "head")
