"""the first tables"""

import sqlalchemy as sa
from alembic import op

from kpr.store.tables import Moment

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

#: Events are written once. Both databases refuse to change or delete one, whoever asks.
_SQLITE_TRIGGERS = [
    f"CREATE TRIGGER event_no_{act.lower()} BEFORE {act} ON event "
    "BEGIN SELECT RAISE(ABORT, 'events are append-only'); END"
    for act in ("UPDATE", "DELETE")
] + [
    "CREATE TRIGGER event_no_replace BEFORE INSERT ON event WHEN NEW.id IN (SELECT id FROM event) "
    "BEGIN SELECT RAISE(ABORT, 'events are append-only'); END"
]
_POSTGRESQL_TRIGGERS = [
    "CREATE FUNCTION event_append_only() RETURNS trigger LANGUAGE plpgsql AS "
    "$$ BEGIN RAISE EXCEPTION 'events are append-only'; END $$",
    "CREATE TRIGGER event_append_only BEFORE UPDATE OR DELETE ON event "
    "FOR EACH ROW EXECUTE FUNCTION event_append_only()",
    "CREATE TRIGGER event_no_truncate BEFORE TRUNCATE ON event FOR EACH STATEMENT EXECUTE FUNCTION event_append_only()",
]


def upgrade() -> None:
    """Bring the tables forward."""
    op.create_table(
        "cycle",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("municipality", sa.String(), nullable=False),
        sa.Column("data_year", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("municipality", "data_year"),
    )
    op.create_table(
        "submission",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("cycle_id", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("sequence_number", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("ident_leg", sa.String(), nullable=False),
        sa.Column("mended", sa.String(), nullable=False),
        sa.Column("opened_at", Moment(), nullable=False),
        sa.Column("approved_by", sa.String(), nullable=True),
        sa.Column("approval_reason", sa.String(), nullable=True),
        sa.Column("extract_sha256", sa.String(), nullable=True),
        sa.Column("wrapped_key", sa.LargeBinary(), nullable=False),
        sa.Column("change", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["cycle_id"],
            ["cycle.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("cycle_id", "sequence_number"),
        sa.UniqueConstraint("cycle_id", "version"),
    )
    op.create_index(op.f("ix_submission_cycle_id"), "submission", ["cycle_id"], unique=False)
    op.create_table(
        "inbox",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("cycle_id", sa.String(), nullable=False),
        sa.Column("submission_id", sa.String(), nullable=True),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("received_at", Moment(), nullable=False),
        sa.Column("verdict", sa.String(), nullable=False),
        sa.Column("note", sa.String(), nullable=False),
        sa.Column("wrapped_key", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["cycle_id"],
            ["cycle.id"],
        ),
        sa.ForeignKeyConstraint(
            ["submission_id"],
            ["submission.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("fingerprint"),
    )
    op.create_index(op.f("ix_inbox_cycle_id"), "inbox", ["cycle_id"], unique=False)
    op.create_table(
        "message",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("submission_id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("message_type", sa.String(), nullable=False),
        sa.Column("msg_id", sa.String(), nullable=False),
        sa.Column("generated", Moment(), nullable=False),
        sa.Column("parent_msg_id", sa.String(), nullable=True),
        sa.Column("conversation_msg_id", sa.String(), nullable=True),
        sa.Column("receipt_leg", sa.String(), nullable=False),
        sa.Column("receipt_codes", sa.String(), nullable=False),
        sa.Column("content_sha256", sa.String(), nullable=True),
        sa.Column("content_size", sa.Integer(), nullable=True),
        sa.Column("persons", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["submission_id"],
            ["submission.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("msg_id"),
        sa.UniqueConstraint("submission_id", "kind"),
    )
    op.create_index(op.f("ix_message_submission_id"), "message", ["submission_id"], unique=False)
    op.create_table(
        "attempt",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("message_ref", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("message_id", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("protected_sha256", sa.String(), nullable=True),
        sa.Column("opened_at", Moment(), nullable=False),
        sa.Column("ended_at", Moment(), nullable=True),
        sa.ForeignKeyConstraint(
            ["message_ref"],
            ["message.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("message_id"),
        sa.UniqueConstraint("message_ref", "number"),
    )
    op.create_index(op.f("ix_attempt_message_ref"), "attempt", ["message_ref"], unique=False)
    op.create_table(
        "event",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("cycle_id", sa.String(), nullable=False),
        sa.Column("submission_id", sa.String(), nullable=True),
        sa.Column("message_ref", sa.String(), nullable=True),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("who", sa.String(), nullable=False),
        sa.Column("what", sa.String(), nullable=False),
        sa.Column("event", sa.String(), nullable=False),
        sa.Column("from_state", sa.String(), nullable=False),
        sa.Column("to_state", sa.String(), nullable=False),
        sa.Column("why", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["cycle_id"],
            ["cycle.id"],
        ),
        sa.ForeignKeyConstraint(
            ["message_ref"],
            ["message.id"],
        ),
        sa.ForeignKeyConstraint(
            ["submission_id"],
            ["submission.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_event_cycle_id"), "event", ["cycle_id"], unique=False)
    op.create_index(op.f("ix_event_submission_id"), "event", ["submission_id"], unique=False)
    sqlite = op.get_bind().dialect.name == "sqlite"
    for statement in _SQLITE_TRIGGERS if sqlite else _POSTGRESQL_TRIGGERS:
        op.execute(statement)


def downgrade() -> None:
    """Take it back."""
    op.drop_index(op.f("ix_event_submission_id"), table_name="event")
    op.drop_index(op.f("ix_event_cycle_id"), table_name="event")
    op.drop_table("event")
    if op.get_bind().dialect.name != "sqlite":
        op.execute("DROP FUNCTION event_append_only")
    op.drop_index(op.f("ix_attempt_message_ref"), table_name="attempt")
    op.drop_table("attempt")
    op.drop_index(op.f("ix_message_submission_id"), table_name="message")
    op.drop_table("message")
    op.drop_index(op.f("ix_inbox_cycle_id"), table_name="inbox")
    op.drop_table("inbox")
    op.drop_index(op.f("ix_submission_cycle_id"), table_name="submission")
    op.drop_table("submission")
    op.drop_table("cycle")
