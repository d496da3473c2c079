"""The definitions that are found without parsing are those that the parser finds."""

import pytest

from netdsl.diagnostics import Source
from netdsl.resources import resource_names, resource_text
from netdsl.syntax import outline, parse, tree


@pytest.mark.parametrize("name", list(resource_names("library", ".net")))
def test_the_library_is_read_one_by_one_as_it_is_read_whole(name: str) -> None:
    source = Source(name, resource_text(f"library/{name}"))
    whole = parse(source).declarations
    single = [each.read() for each in outline(source)]
    assert tuple(single) == whole
    assert [each.span for each in single] == [each.span for each in whole]
    names = [each.name.span for each in whole if isinstance(each, tree.Definition)]
    assert [each.name.span for each in single] == names
