"""Router that compiles the patterns of all routes together."""

from __future__ import annotations

import bottle
import pytest

from appliance.web.router import Router


@pytest.fixture
def router() -> Router:
    made = Router()
    for method in ("GET", "DELETE"):
        for name in ("machines", "rules"):
            made.add(f"/{name}/<id>", method, f"{method} {name}")
    made.add("/machines", "GET", "list")
    return made


def find(router: Router, method: str, path: str) -> tuple[str, dict[str, str]]:
    target, parameters = router.match({"REQUEST_METHOD": method, "PATH_INFO": path})
    return target, parameters


def test_adding_routes_compiles_no_common_pattern(router: Router) -> None:
    assert not router.dyna_regexes
    router.complete()
    assert {method: len(patterns) for method, patterns in router.dyna_regexes.items()} == {"GET": 1, "DELETE": 1}


def test_a_complete_router_finds_its_routes(router: Router) -> None:
    router.complete()
    assert find(router, "GET", "/machines") == ("list", {})
    assert find(router, "HEAD", "/rules/r7") == ("GET rules", {"id": "r7"})
    assert find(router, "DELETE", "/machines/m1") == ("DELETE machines", {"id": "m1"})
    with pytest.raises(bottle.HTTPError) as refused:
        find(router, "PUT", "/rules/r7")
    assert (refused.value.status_code, refused.value.headers["Allow"]) == (405, "DELETE,GET")
