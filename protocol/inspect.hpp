#pragma once

#include "core/codecs/http_message.hpp"
#include "core/values/event.hpp"
#include "core/values/ids.hpp"
#include "core/values/money.hpp"
#include "core/values/run.hpp"
#include "core/values/run_request.hpp"
#include "core/values/sample.hpp"
#include "core/values/shared_text.hpp"

#include <caf/error.hpp>
#include <caf/meta/load_callback.hpp>
#include <caf/meta/save_callback.hpp>
#include <caf/meta/type_name.hpp>
#include <caf/none.hpp>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>

/// How the farm's values look to CAF's inspectors, so that every message can be rendered and, once actors
/// live on several nodes, sent. Values in core/ know nothing of this.
namespace assay {

/// Presents a value as another type: @p save makes the surrogate, @p load takes it back, and may return a
/// caf::error when it cannot.
template <class Surrogate, class Inspector, class Save, class Load>
typename Inspector::result_type inspect_as(Inspector& f, Save save, Load load) {
  Surrogate surrogate{};
  if constexpr (Inspector::reads_state)
    surrogate = save();
  auto take_back = [&]() -> caf::error {
    if constexpr (std::is_void_v<decltype(load(surrogate))>) {
      load(surrogate);
      return caf::none;
    } else {
      return load(surrogate);
    }
  };
  return f(surrogate, caf::meta::load_callback(take_back));
}

template <class T>
struct optional_field {
  std::optional<T>& value;
};

template <class Inspector, class T>
typename Inspector::result_type inspect(Inspector& f, optional_field<T>& x) {
  bool present = x.value.has_value();
  T value = present ? *x.value : T{};
  auto take_back = [&]() -> caf::error {
    x.value = present ? std::optional<T>{std::move(value)} : std::nullopt;
    return caf::none;
  };
  return f(present, value, caf::meta::load_callback(take_back));
}

template <class T>
optional_field<T> field(std::optional<T>& value) {
  return {value};
}

/// A value that several messages share; null travels as nothing.
template <class T>
struct shared_field {
  std::shared_ptr<const T>& value;
};

template <class Inspector, class T>
typename Inspector::result_type inspect(Inspector& f, shared_field<T>& x) {
  bool present = x.value != nullptr;
  T value = present ? *x.value : T{};
  auto take_back = [&]() -> caf::error {
    x.value = present ? std::make_shared<const T>(std::move(value)) : nullptr;
    return caf::none;
  };
  return f(present, value, caf::meta::load_callback(take_back));
}

template <class T>
shared_field<T> shared(std::shared_ptr<const T>& value) {
  return {value};
}

// -- texts and ids -----------------------------------------------------------------------------------------

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, shared_text& x) {
  return inspect_as<std::string>(
      f, [&] { return x.str(); }, [&](const std::string& text) { x = shared_text{text}; });
}

template <class Inspector, class Tag>
typename Inspector::result_type inspect(Inspector& f, text_id<Tag>& x) {
  return f(x.value);
}

template <class Inspector, class Tag>
typename Inspector::result_type inspect(Inspector& f, number_id<Tag>& x) {
  return f(x.value);
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, run_id& x) {
  return f(x.value);
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, money& x) {
  return f(x.nanodollars);
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, sample_address& x) {
  return f(caf::meta::type_name("sample_address"), x.task, x.variant, x.sample, x.epoch, x.step,
           x.generation);
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, fault& x) {
  return f(caf::meta::type_name("fault"), x.code, x.message, x.where, x.hint);
}

// -- models and calls --------------------------------------------------------------------------------------

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, sampling& x) {
  auto temperature = field(x.temperature);
  auto top_p = field(x.top_p);
  auto frequency = field(x.frequency_penalty);
  auto presence = field(x.presence_penalty);
  auto max_tokens = field(x.max_tokens);
  auto seed = field(x.seed);
  return f(caf::meta::type_name("sampling"), temperature, top_p, frequency, presence, max_tokens, seed,
           x.stop);
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, image_part& x) {
  return f(caf::meta::type_name("image_part"), x.url, x.base64, x.media_type, x.detail, x.text_before);
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, tool_call& x) {
  return f(caf::meta::type_name("tool_call"), x.id, x.name, x.arguments, x.signature);
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, message_extras& x) {
  return f(caf::meta::type_name("message_extras"), x.images, x.tool_calls, x.tool_call_id, x.name);
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, chat_message& x) {
  auto extras = shared(x.extras);
  return f(caf::meta::type_name("chat_message"), x.role, x.content, extras);
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, tool_definition& x) {
  auto strict = field(x.strict);
  return f(caf::meta::type_name("tool_definition"), x.name, x.description, x.parameters_json, strict);
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, answer_options& x) {
  auto top_k = field(x.top_k);
  auto top_logprobs = field(x.top_logprobs);
  auto schema_strict = field(x.schema_strict);
  auto parallel = field(x.parallel_tool_calls);
  return f(caf::meta::type_name("answer_options"), top_k, x.choices, x.logprobs, top_logprobs, x.form,
           x.schema_name, x.schema_json, schema_strict, x.tools, x.tool_choice, parallel, x.reasoning_effort,
           x.safety_settings_json, x.user, x.extra_json, x.raw_response);
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, tool_call_delta& x) {
  return f(caf::meta::type_name("tool_call_delta"), x.index, x.id, x.name, x.arguments, x.signature);
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, answer_delta& x) {
  return f(caf::meta::type_name("answer_delta"), x.choice, x.text, x.reasoning, x.tool_calls);
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, answer_extras& x) {
  return f(caf::meta::type_name("answer_extras"), x.refused, x.reasoning, x.tool_calls, x.more_choices,
           x.logprobs_json, x.dropped, x.raw_response);
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, token_prices& x) {
  auto cached = field(x.cached_input_per_mtok);
  return f(caf::meta::type_name("token_prices"), x.input_per_mtok, x.output_per_mtok, cached);
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, token_usage& x) {
  return f(caf::meta::type_name("token_usage"), x.prompt_tokens, x.completion_tokens, x.cached_tokens,
           x.reasoning_tokens);
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, call_timing& x) {
  return f(caf::meta::type_name("call_timing"), x.queued, x.limiter, x.connect, x.first_byte, x.transfer,
           x.local_lag);
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, attempt_record& x) {
  return f(caf::meta::type_name("attempt_record"), x.error, x.http_status, x.waited, x.possibly_billed,
           x.message, x.key, x.target);
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, route_model& x) {
  auto prices = field(x.prices);
  auto quality = field(x.quality);
  return f(caf::meta::type_name("route_model"), x.model, x.provider, x.wire_model, prices, x.weight, quality);
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, call_route& x) {
  return f(caf::meta::type_name("call_route"), x.strategy, x.models);
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, http_request& x) {
  return f(caf::meta::type_name("http_request"), x.id, x.target, x.body, x.timeout, x.stream, x.method,
           x.first_byte_timeout, x.idle_timeout, x.content_type, x.at_origin, x.resend);
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, http_piece& x) {
  return f(caf::meta::type_name("http_piece"), x.id, x.bytes);
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, http_outcome& x) {
  return f(caf::meta::type_name("http_outcome"), x.id, x.status, x.headers, x.body, x.error, x.error_message,
           x.request_written, x.connect, x.first_byte, x.transfer, x.finished_at);
}

// -- records -----------------------------------------------------------------------------------------------

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, response_record& x) {
  auto cost = field(x.cost);
  auto error = field(x.error);
  auto saved = field(x.saved);
  return f(caf::meta::type_name("response_record"), x.run, x.address, x.attempt, x.prompt, x.answer, x.target,
           x.finish, x.usage, x.usage_estimated, cost, x.timing, x.http_status, x.served_model, x.request_id,
           x.key, x.served_by, error, x.error_message, x.failures, x.finished_at, x.simulated,
           x.possibly_billed, x.cached, saved);
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, score_value& x) {
  return f(caf::meta::type_name("score_value"), x.scorer, x.value, x.extracted);
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, sample_record& x) {
  auto cost = field(x.cost);
  auto judge_cost = field(x.judge_cost);
  auto error = field(x.error);
  return f(caf::meta::type_name("sample_record"), x.run, x.address, x.status, x.scores, x.usage, cost,
           x.duration, error, x.tries, x.possibly_billed, x.cached, judge_cost);
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, event& x) {
  return f(caf::meta::type_name("event"), x.run, x.seq, x.type, x.at, x.data);
}

/// Reads what run_to_text wrote. @returns errc::malformed_input for a text that is no run: it may come from
/// another node.
caf::error read_run(const std::string& text, run_record& out);

/// Runs are rare messages and large: they travel as the text that the store keeps.
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, run_record& x) {
  return inspect_as<std::string>(
      f, [&] { return run_to_text(x); }, [&](const std::string& text) { return read_run(text, x); });
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, early_stopping& x) {
  auto interval = field(x.interval);
  auto margin = field(x.margin);
  return f(caf::meta::type_name("early_stopping"), interval, x.against, x.alpha, margin, x.min_samples);
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, own_task& x) {
  return f(caf::meta::type_name("own_task"), x.definition, x.dataset);
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, run_request& x) {
  auto limit = field(x.limit);
  auto seed = field(x.random_seed);
  auto time_limit = field(x.time_limit);
  auto max_cost = field(x.max_cost);
  auto epochs = field(x.epochs);
  auto stop_when = field(x.stop_when);
  auto own = field(x.own);
  auto timeout = field(x.calls.timeout);
  auto max_retries = field(x.calls.max_retries);
  auto num_concurrent = field(x.calls.num_concurrent);
  return f(caf::meta::type_name("run_request"), x.model, x.model_kind, x.model_args, x.tasks, x.prompt_types,
           x.generation, limit, x.num_fewshot, epochs, seed, x.priority, x.weight, time_limit, x.cache,
           max_cost, x.depends_on, x.context_mode, x.predict_only, x.log_samples, x.output_path, x.metadata,
           x.requested, x.dry_run, x.notes, x.execution, x.origin, stop_when, x.kind, own, timeout,
           max_retries, num_concurrent, x.model_choice);
}

} // namespace assay
