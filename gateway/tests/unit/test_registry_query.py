import pytest

from gateway import errors
from gateway.registry.query import Query, is_version


@pytest.mark.parametrize(
    ("wanted", "those"),
    [
        ("1.2.3", ["1.2.3"]),
        ("1.2", ["1.2"]),
        ("", [""]),
        ("~1", ["1.2", "1.2.3", "v1.2.4", "1.2.5-rc1", "1.2.6+build", "1.3.0"]),
        ("~1.2", ["1.2", "1.2.3", "v1.2.4", "1.2.5-rc1", "1.2.6+build"]),
        ("~1.2.4", ["v1.2.4", "1.2.5-rc1", "1.2.6+build"]),
        ("~2", ["2.0.0"]),
        ("nightly", ["nightly"]),
    ],
)
def test_versions(wanted, those):
    versions = ["", "1.2", "1.2.3", "v1.2.4", "1.2.5-rc1", "1.2.6+build", "1.3.0", "2.0.0", "nightly"]
    assert [version for version in versions if is_version(version, wanted)] == those


@pytest.mark.parametrize("text", ["~", "~x", "~1.x", "~1.2.*", "~~1", "~1,2"])
def test_what_is_no_range(text):
    with pytest.raises(errors.Invalid) as caught:
        Query(version=text)
    assert (caught.value.code, caught.value.field) == ("gateway.registry.version", "version")
