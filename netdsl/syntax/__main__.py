"""Write the parser's tables: `python -m netdsl.syntax`, after a change of the grammar."""

from netdsl.resources import resource
from netdsl.syntax import tables

resource(tables.TABLES).write_text(tables.tables_text(), encoding="utf-8")
