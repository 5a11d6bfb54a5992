from __future__ import annotations

import json
from pathlib import Path

import pytest

from atalaia.errors import Invalid
from services.loadgen.cli.openapi import requests_of

YAML = """
openapi: 3.0.3
paths:
  /plain: {get: {}}
  /post: {post: {}}
  /items/{id}:
    parameters: [{$ref: '#/components/parameters/id'}]
    get: {}
  /search:
    get:
      parameters:
        - {name: since, in: query, required: true, schema: {default: 2026-11-25}}
        - {name: at, in: query, required: true, example: 2026-11-25T08:00:00}
        - {name: all, in: query, required: true, schema: {enum: [true, false]}}
  /unknown/{id}: {get: {parameters: [{name: id, in: path, required: true}]}}
components:
  parameters:
    id: {name: id, in: path, example: 7}
"""


def urls(folder: Path, text: str) -> list[str]:
    file = folder / "openapi"
    file.write_text(text)
    return [request.url for request in requests_of(file, "http://127.0.0.1", ())]


def test_yaml_means_the_same_as_json(tmp_path: Path) -> None:
    assert urls(tmp_path, YAML) == [
        "http://127.0.0.1/plain",
        "http://127.0.0.1/items/7",
        "http://127.0.0.1/search?since=2026-11-25&at=2026-11-25T08%3A00%3A00&all=true",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a: [",
        "- 1",
        "swagger: '2.0'\npaths: {}",
        "openapi: 3.1.0\npaths: {/a: {get: {parameters: [{$ref: '#/b'}]}}}\nb: {$ref: '#/b'}",
        "openapi: 3.1.0\npaths: {/a: {post: {}}}",
        "openapi: !!python/object/apply:os.getcwd []",
    ],
)
def test_what_is_no_document_or_has_nothing_to_ask_for_is_said_so(tmp_path: Path, text: str) -> None:
    with pytest.raises(Invalid, match="openapi"):
        urls(tmp_path, text)


def test_every_get_that_needs_nothing_or_has_an_example(tmp_path: Path) -> None:
    document = {
        "openapi": "3.1.0",
        "paths": {
            "/plain": {"get": {}},
            "/post": {"post": {}},
            "/items/{id}": {"get": {"parameters": [{"$ref": "#/components/parameters/id"}]}},
            "/unknown/{id}": {"get": {"parameters": [{"name": "id", "in": "path", "required": True}]}},
            "/search": {
                "get": {
                    "parameters": [
                        {"name": "q", "in": "query", "required": True, "schema": {"default": "a b"}},
                        {"name": "page", "in": "query"},
                    ]
                }
            },
        },
        "components": {"parameters": {"id": {"name": "id", "in": "path", "example": "a/1"}}},
    }
    file = tmp_path / "openapi.json"
    file.write_text(json.dumps(document))
    urls = [request.url for request in requests_of(file, "http://127.0.0.1:1/", ())]
    assert urls == [
        "http://127.0.0.1:1/plain",
        "http://127.0.0.1:1/items/a%2F1",
        "http://127.0.0.1:1/search?q=a+b",
    ]
    file.write_text('{"openapi": "2.0", "paths": {}}')
    with pytest.raises(Invalid):
        requests_of(file, "http://127.0.0.1", ())
