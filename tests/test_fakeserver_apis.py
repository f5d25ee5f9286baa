"""Test what the fake server says by default, on each of its APIs."""

import json
from collections.abc import Iterator

import pytest

from tests.fakeserver import DEFAULT_ANSWER, FakeServer
from tests.fakeserver.decoding import has_done, objects, text_of
from tests.fakeserver.openai_api import Flavour
from tests.fakeserver.rawclient import RawReply, exchange

MESSAGES = [{"role": "user", "content": "three words here"}]
FLAVOURS: tuple[Flavour, ...] = ("llamacpp", "ollama")


@pytest.fixture
def server() -> Iterator[FakeServer]:
    """Run a server for one test."""
    with FakeServer() as one:
        yield one


def chat(server: FakeServer, **fields: object) -> RawReply:
    """Ask the server for a chat of Ollama's."""
    body = {"model": "alpha", "messages": MESSAGES} | fields
    return exchange(server.port, "POST", "/api/chat", body)


def v1_chat(server: FakeServer, **fields: object) -> RawReply:
    """Ask the server for an OpenAI chat completion."""
    body = {"model": "alpha", "messages": MESSAGES} | fields
    return exchange(server.port, "POST", "/v1/chat/completions", body)


class TestOllama:
    """The native API."""

    def test_a_chat_is_streamed_unless_asked_otherwise(
        self, server: FakeServer
    ) -> None:
        reply = chat(server)

        assert reply.headers["content-type"] == "application/x-ndjson"
        assert text_of("ollama", reply.body) == "".join(DEFAULT_ANSWER)
        assert len(reply.chunked.chunks) == len(DEFAULT_ANSWER) + 1

    def test_a_chat_that_is_not_streamed_is_one_object(
        self, server: FakeServer
    ) -> None:
        value = json.loads(chat(server, stream=False).body)

        assert value["message"]["content"] == "".join(DEFAULT_ANSWER)
        assert (value["prompt_eval_count"], value["eval_count"]) == (3, 6)

    def test_the_answer_can_be_set(self, server: FakeServer) -> None:
        server.answer = ["one", " <two>\u2028"]

        reply = chat(server)

        assert text_of("ollama", reply.body) == "one <two>\u2028"
        assert rb"\u003ctwo\u003e\u2028" in reply.body

    def test_a_limit_cuts_the_answer(self, server: FakeServer) -> None:
        value = json.loads(chat(server, stream=False, options={"num_predict": 2}).body)

        assert value["message"]["content"] == "Hello from"
        assert (value["done_reason"], value["eval_count"]) == ("length", 2)

    def test_a_model_that_can_thinks_first(self, server: FakeServer) -> None:
        server.thinking = ["hm", "m"]

        first, *_ = objects("ollama", chat(server).body)
        whole = json.loads(chat(server, stream=False).body)

        assert isinstance(first, dict)
        assert first["message"]["thinking"] == "hm"
        assert whole["message"]["thinking"] == "hmm"

    def test_thinking_can_be_switched_off(self, server: FakeServer) -> None:
        server.thinking = ["hm"]

        assert b"thinking" not in chat(server, think=False).body

    @pytest.mark.parametrize(
        ("fields", "status", "text"),
        [
            ({"model": "nosuch"}, 404, "model 'nosuch' not found"),
            ({"model": ""}, 400, "model is required"),
            ({"think": True}, 400, '"alpha" does not support thinking'),
            ({"think": "odd"}, 400, 'invalid think value: "odd"'),
            ({"messages": "text"}, 400, "cannot unmarshal"),
        ],
    )
    def test_a_bad_chat_is_refused(
        self, server: FakeServer, fields: dict[str, object], status: int, text: str
    ) -> None:
        reply = chat(server, **fields)

        assert reply.status == status
        assert text in json.loads(reply.body)["error"]

    @pytest.mark.parametrize(
        ("body", "text"),
        [(b"", "missing request body"), (b"oops", "invalid character 'o'")],
    )
    def test_a_body_that_is_no_json_is_refused(
        self, server: FakeServer, body: bytes, text: str
    ) -> None:
        reply = exchange(server.port, "POST", "/api/chat", body)

        assert reply.status == 400
        assert text in json.loads(reply.body)["error"]

    def test_a_chat_loads_its_model_and_an_empty_one_unloads_it(
        self, server: FakeServer
    ) -> None:
        chat(server)
        loaded = json.loads(exchange(server.port, "GET", "/api/ps").body)
        gone = json.loads(chat(server, messages=[], keep_alive=0).body)

        assert [one["name"] for one in loaded["models"]] == ["alpha:latest"]
        assert (gone["done"], gone["done_reason"]) == (True, "unload")
        assert server.shelf.loaded == ()

    def test_show_knows_the_context_length(self, server: FakeServer) -> None:
        reply = exchange(server.port, "POST", "/api/show", {"model": "beta:7b"})

        assert json.loads(reply.body)["model_info"]["llama.context_length"] == 8192

    def test_show_names_a_missing_model_in_full(self, server: FakeServer) -> None:
        reply = exchange(server.port, "POST", "/api/show", {"model": "nosuch"})

        assert (reply.status, reply.body) == (
            404,
            b'{"error":"model \'nosuch:latest\' not found"}',
        )

    def test_a_pulled_model_is_there(self, server: FakeServer) -> None:
        reply = exchange(server.port, "POST", "/api/pull", {"model": "gamma"})

        assert objects("ollama", reply.body)[-1] == {"status": "success"}
        assert server.shelf.names[0] == "gamma:latest"

    def test_names_of_models_compare_as_ollamas_do(self, server: FakeServer) -> None:
        assert server.shelf.find("ALPHA") == "alpha:latest"
        assert server.shelf.find("beta") is None

    @pytest.mark.parametrize(
        "header", [("Origin", "https://example.com"), ("Host", "example.com")]
    )
    def test_foreign_hosts_and_origins_are_forbidden(
        self, server: FakeServer, header: tuple[str, str]
    ) -> None:
        reply = exchange(server.port, "GET", "/api/version", None, header)

        assert (reply.status, reply.body) == (403, b"")

    def test_a_wrong_method_is_told_the_right_one(self, server: FakeServer) -> None:
        reply = exchange(server.port, "GET", "/api/chat")

        assert (reply.status, reply.headers["allow"]) == (405, "POST")


class TestOpenAI:
    """The API under /v1, in both accents."""

    @pytest.mark.parametrize("flavour", FLAVOURS)
    def test_a_chat_is_not_streamed_unless_asked(self, flavour: Flavour) -> None:
        with FakeServer(flavour=flavour) as server:
            value = json.loads(v1_chat(server).body)

        assert value["choices"][0]["message"]["content"] == "".join(DEFAULT_ANSWER)
        assert value["usage"]["total_tokens"] == 9

    @pytest.mark.parametrize("flavour", FLAVOURS)
    def test_a_stream_ends_with_finish_usage_and_done(self, flavour: Flavour) -> None:
        with FakeServer(flavour=flavour) as server:
            reply = v1_chat(server, stream=True, stream_options={"include_usage": True})

        *_, finish, usage = objects("openai", reply.body)
        assert isinstance(finish, dict)
        assert isinstance(usage, dict)
        assert finish["choices"][0]["finish_reason"] == "stop"
        assert (usage["choices"], usage["usage"]["completion_tokens"]) == ([], 6)
        assert has_done(reply.body)
        assert text_of("openai", reply.body) == "".join(DEFAULT_ANSWER)

    def test_usage_comes_only_when_it_is_asked_for(self, server: FakeServer) -> None:
        assert b'"usage"' not in v1_chat(server, stream=True).body

    def test_llamacpp_sends_the_role_alone_and_first(self, server: FakeServer) -> None:
        first, *_ = objects("openai", v1_chat(server, stream=True).body)

        assert isinstance(first, dict)
        assert first["choices"][0]["delta"] == {"role": "assistant", "content": None}

    @pytest.mark.parametrize(
        ("flavour", "field"),
        [("llamacpp", "reasoning_content"), ("ollama", "reasoning")],
    )
    def test_reasoning_has_the_name_of_its_server(
        self, flavour: Flavour, field: str
    ) -> None:
        with FakeServer(flavour=flavour) as server:
            server.thinking = ["hm", "m"]
            whole = json.loads(v1_chat(server).body)
            stream = v1_chat(server, stream=True).body

        assert whole["choices"][0]["message"][field] == "hmm"
        assert stream.count(f'"{field}":'.encode()) == 2

    @pytest.mark.parametrize(
        ("flavour", "status"), [("llamacpp", 400), ("ollama", 404)]
    )
    def test_an_unknown_model_is_an_error_object(
        self, flavour: Flavour, status: int
    ) -> None:
        with FakeServer(flavour=flavour) as server:
            reply = v1_chat(server, model="nosuch")

        error = json.loads(reply.body)["error"]
        assert reply.status == status
        assert error["message"] == "model 'nosuch' not found"

    @pytest.mark.parametrize("flavour", FLAVOURS)
    def test_messages_are_required(self, flavour: Flavour) -> None:
        with FakeServer(flavour=flavour) as server:
            reply = v1_chat(server, messages=None)

        assert reply.status == 400
        assert "messages" in json.loads(reply.body)["error"]["message"]

    @pytest.mark.parametrize("limit", ["max_tokens", "max_completion_tokens"])
    def test_a_limit_cuts_the_answer(self, server: FakeServer, limit: str) -> None:
        value = json.loads(v1_chat(server, **{limit: 1}).body)

        assert value["choices"][0]["message"]["content"] == "Hello"
        assert value["choices"][0]["finish_reason"] == "length"

    def test_ollama_lists_null_instead_of_no_models(self) -> None:
        with FakeServer(models=(), flavour="ollama") as server:
            reply = exchange(server.port, "GET", "/v1/models")

        assert reply.body == b'{"object":"list","data":null}\n'

    def test_parts_of_content_count_as_prompt(self, server: FakeServer) -> None:
        parts = [{"type": "text", "text": "a b"}, {"type": "image_url"}]
        value = json.loads(
            v1_chat(server, messages=[{"role": "user", "content": parts}]).body
        )

        assert value["usage"]["prompt_tokens"] == 2


class TestLmStudio:
    """LM Studio's list of models, and unknown paths of every server."""

    def test_models_have_a_state(self, server: FakeServer) -> None:
        server.shelf.load("beta:7b")
        reply = exchange(server.port, "GET", "/api/v0/models")

        states = {one["id"]: one["state"] for one in json.loads(reply.body)["data"]}
        assert states == {"alpha:latest": "not-loaded", "beta:7b": "loaded"}

    def test_an_unknown_path_is_an_error_with_status_200(self) -> None:
        with FakeServer(dialects=("lmstudio", "openai")) as server:
            reply = exchange(server.port, "POST", "/chat/completions", {})

        assert reply.status == 200
        assert b"Unexpected endpoint or method. (POST /chat/completions)" in reply.body

    def test_ollama_says_404_in_text(self, server: FakeServer) -> None:
        reply = exchange(server.port, "GET", "/nosuch")

        assert (reply.status, reply.body) == (404, b"404 page not found")

    def test_llamacpp_says_404_in_json(self) -> None:
        with FakeServer(dialects=("openai",)) as server:
            reply = exchange(server.port, "GET", "/api/tags")

        assert reply.status == 404
        assert json.loads(reply.body)["error"]["message"] == "File Not Found"

    def test_a_delay_comes_before_the_tokens(self, server: FakeServer) -> None:
        """The pace is asked of the steps, so that nobody has to wait for it."""
        server.first_token_delay_s = server.token_delay_s = 0.001

        assert text_of("ollama", chat(server).body) == "".join(DEFAULT_ANSWER)
