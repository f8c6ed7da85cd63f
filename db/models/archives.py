"""Archives: rounds whose nodes lie in a Parquet file instead of a partition."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base, Created


class Archive(Created, Base):
    """The file that holds the nodes of an archived round; gone again when the round is attached."""

    __tablename__ = "archives"
    __table_args__ = (
        CheckConstraint("node_count >= 0 AND file_bytes > 0", name="counts_not_negative"),
        CheckConstraint("octet_length(sha256) = 32", name="sha256_is_sha256"),
    )

    round_id: Mapped[int] = mapped_column(ForeignKey("rounds.id"), primary_key=True)
    path: Mapped[str] = mapped_column(comment="The Parquet file, absolute")
    node_count: Mapped[int] = mapped_column(BigInteger, comment="Nodes in it")
    file_bytes: Mapped[int] = mapped_column(BigInteger, comment="Its size")
    sha256: Mapped[bytes] = mapped_column(comment="Of the whole file")
