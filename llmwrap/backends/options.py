"""Options by the names people know them by, in the words of who is asked.

A user writes `-o max_tokens=5` whatever server it is for; Ollama calls it `num_predict`
and overlooks what it does not know. No I/O.

See: Ollama docs/api.md and api/types.go; OpenAI API reference, chat completions;
llama.cpp tools/server/README.md; vLLM, sampling parameters; Mistral, OpenRouter,
Perplexity and LM Studio, chat completions.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from ..messages import Json, Sampling

LIMIT_NAMES = (
    "max_tokens",
    "max_completion_tokens",
    "num_predict",
    "n_predict",
    "max_new_tokens",
    "max_output_tokens",
)
"""What servers call the limit of an answer in tokens."""
SEED_NAMES = ("seed", "random_seed")
"""What they call the seed of the randomness."""


def own_limit(sampling: Sampling) -> int | None:
    """Return the limit of the answer that the user set, in tokens; None for none."""
    options = sampling.options
    for value in (*map(options.get, LIMIT_NAMES), sampling.max_tokens):
        if isinstance(value, int | float) and not isinstance(value, bool):
            return int(value) if value >= 0 else None
    return None


def has_own_seed(sampling: Sampling) -> bool:
    """Tell whether the user set the seed."""
    options = sampling.options
    return sampling.seed is not None or not options.keys().isdisjoint(SEED_NAMES)


class Dialect(NamedTuple):
    """How one kind of server calls options: `names` translates, `known` is the rest.

    `changed` makes other values of those whose form differs, too.
    """

    names: Mapping[str, str]
    known: frozenset[str]
    changed: Mapping[str, Callable[[Json], dict[str, Json]]]

    def translated(self, options: Mapping[str, Json]) -> dict[str, Json]:
        """Return options under the server's names; its own ones win."""
        found: dict[str, Json] = {}
        for name, value in options.items():
            if name in self.changed:
                found.update(self.changed[name](value))
            elif name in self.names:
                found[self.names[name]] = value
        own = {k: v for k, v in options.items() if self._is_own(k)}
        return {**found, **own}

    def unknown(self, options: Mapping[str, Json]) -> list[str]:
        """Return the options that this kind of server is not known to have."""
        return [k for k in options if self._is_own(k) and k not in self.known]

    def _is_own(self, name: str) -> bool:
        return name not in self.names and name not in self.changed


def _format_of(response_format: Json) -> dict[str, Json]:
    """Return Ollama's `format`, from OpenAI's `response_format`."""
    if not isinstance(response_format, dict):
        return {"format": response_format}
    schema = response_format.get("json_schema")
    if isinstance(schema, dict):
        return {"format": schema.get("schema", schema)}
    return {"format": "json"} if response_format.get("type") == "json_object" else {}


def _response_format_of(wanted: Json) -> dict[str, Json]:
    """Return OpenAI's `response_format`, from Ollama's `format`."""
    if isinstance(wanted, dict):
        schema: Json = {"name": "answer", "schema": wanted}
        return {"response_format": {"type": "json_schema", "json_schema": schema}}
    return {"response_format": {"type": "json_object"}} if wanted == "json" else {}


def thinking_of(effort: Json) -> dict[str, Json]:
    """Return how OpenAI's servers are asked for reasoning, or for none."""
    if isinstance(effort, str):
        return {"reasoning_effort": effort}
    if isinstance(effort, bool):
        return {"chat_template_kwargs": {"enable_thinking": effort}}
    return {}


_OLLAMA_WORDS = """
    num_keep seed num_predict top_k top_p min_p typical_p repeat_last_n temperature
    repeat_penalty presence_penalty frequency_penalty penalize_newline stop numa
    num_ctx num_batch num_gpu main_gpu low_vram f16_kv logits_all vocab_only
    use_mmap use_mlock num_thread mirostat mirostat_tau mirostat_eta tfs_z
    draft_num_predict format keep_alive logprobs think top_logprobs
"""
_OPENAI_WORDS = """
    audio frequency_penalty function_call functions logit_bias logprobs max_tokens
    max_completion_tokens metadata modalities n parallel_tool_calls prediction
    presence_penalty prompt_cache_key reasoning_effort response_format
    safety_identifier seed service_tier stop store stream_options temperature
    tool_choice tools top_logprobs top_p user verbosity web_search_options

    top_k min_p typical_p repeat_penalty repeat_last_n repetition_penalty mirostat
    mirostat_tau mirostat_eta grammar json_schema n_probs min_keep cache_prompt
    n_keep n_indent id_slot samplers dynatemp_range dynatemp_exponent xtc_threshold
    xtc_probability dry_multiplier dry_base dry_allowed_length dry_penalty_last_n
    dry_sequence_breakers top_n_sigma tfs_z ignore_eos timings_per_token lora
    reasoning_format reasoning_budget return_progress return_tokens
    post_sampling_probs sse_ping_interval

    add_generation_prompt add_special_tokens allowed_token_ids bad_words best_of
    chat_template chat_template_kwargs continue_final_message detokenize documents
    echo guided_choice guided_decoding_backend guided_grammar guided_json
    guided_regex include_reasoning include_stop_str_in_output length_penalty
    logits_processors min_tokens mm_processor_kwargs priority prompt_logprobs
    return_token_ids return_tokens_as_token_ids separate_reasoning
    skip_special_tokens spaces_between_special_tokens stop_token_ids
    structured_outputs truncate_prompt_tokens use_beam_search regex ebnf
    no_stop_trim stream_reasoning lora_path

    document_image_limit prompt_mode random_seed safe_prompt
    models plugins provider reasoning route transforms usage top_a cache_control
    return_citations return_images return_related_questions search_context_size
    search_domain_filter search_mode search_recency_filter
    ttl draft_model enable_thinking thinking thinking_budget extra_body
    allow_fallbacks api_version drop_params fallbacks guardrails mock_response
    num_retries tags timeout keep_alive reasoning_effort safety_settings
"""

OLLAMA = Dialect(
    names={
        **{name: "num_predict" for name in LIMIT_NAMES if name != "num_predict"},
        "context_length": "num_ctx",
        "ctx_size": "num_ctx",
        "n_ctx": "num_ctx",
        "n_batch": "num_batch",
        "n_gpu_layers": "num_gpu",
        "n_keep": "num_keep",
        "n_threads": "num_thread",
        "random_seed": "seed",
        "repetition_penalty": "repeat_penalty",
        "stop_sequences": "stop",
    },
    known=frozenset(_OLLAMA_WORDS.split()),
    changed={
        "response_format": _format_of,
        "reasoning_effort": lambda effort: {
            "think": False if effort == "none" else effort
        },
    },
)

OPENAI = Dialect(
    names={
        "num_predict": "max_tokens",
        "n_predict": "max_tokens",
        "max_new_tokens": "max_tokens",
        "max_output_tokens": "max_tokens",
        "stop_sequences": "stop",
    },
    known=frozenset(_OPENAI_WORDS.split()),
    changed={"format": _response_format_of, "think": thinking_of},
)
