#include "core/values/run_request.hpp"

#include "core/values/closest_word.hpp"
#include "core/values/results_place.hpp"
#include "core/values/run_request_fields.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <string_view>
#include <utility>

namespace assay {

namespace {

using namespace run_request_detail;
using json = nlohmann::json;

constexpr size_t most_tasks = 1000;
constexpr size_t largest_map = 64 * 1024;
constexpr int64_t longest_run_seconds = 30 * 24 * 3600;

/// Everything that may stand at the top of the body.
constexpr std::string_view top_keys[] = {
    "model_id",
    "model",
    "model_args",
    "task_ids",
    "tasks",
    "configuration",
    "gen_kwargs",
    "context_mode",
    "metadata",
    "limit",
    "num_fewshot",
    "batch_size",
    "device",
    "use_cache",
    "cache_requests",
    "rewrite_requests_cache",
    "delete_requests_cache",
    "write_out",
    "output_base_path",
    "log_samples",
    "show_config",
    "predict_only",
    "verbosity",
    "random_seed",
    "numpy_random_seed",
    "torch_random_seed",
    "fewshot_random_seed",
    "temperature",
    "top_p",
    "frequency_penalty",
    "presence_penalty",
    "max_tokens",
    "max_gen_toks",
    "stop_sequences",
    "stop",
    "seed",
    "do_sample",
    "prompt_types",
    "epochs",
    "priority",
    "weight",
    "time_limit",
    "execution",
    "max_cost",
    "depends_on",
    "dry_run",
    "early_stopping",
    "request_id",
};

/// Settings that may stand at the top or in `configuration`.
constexpr std::string_view setting_keys[] = {
    "limit",
    "num_fewshot",
    "batch_size",
    "device",
    "use_cache",
    "cache_requests",
    "rewrite_requests_cache",
    "delete_requests_cache",
    "write_out",
    "output_base_path",
    "log_samples",
    "show_config",
    "predict_only",
    "verbosity",
    "random_seed",
    "numpy_random_seed",
    "torch_random_seed",
    "fewshot_random_seed",
    "temperature",
    "top_p",
    "frequency_penalty",
    "presence_penalty",
    "max_tokens",
    "max_gen_toks",
    "stop_sequences",
    "stop",
    "seed",
    "do_sample",
    "prompt_types",
    "epochs",
    "priority",
    "weight",
    "time_limit",
    "execution",
    "max_cost",
    "context_mode",
    "gen_kwargs",
};

/// Settings of providers' own. assay does not know them, but they are no slips of the pen either.
constexpr std::string_view foreign_settings[] = {"top_k", "top_a", "min_p"};

constexpr std::string_view context_modes[] = {"no_context", "minimal_context", "full_context",
                                              "domain_context"};

/// Names of other harnesses that stand for a provider's protocol rather than for one model.
constexpr std::string_view model_kinds[] = {
    "claude-local",
    "anthropic",
    "anthropic-chat",
    "anthropic-chat-completions",
    "anthropic_claude",
    "openai-completions",
    "openai-chat-completions",
    "local-completions",
    "local-chat-completions",
    "openai_gpt",
    "deepseek",
    "google_gemini",
    "qwen",
    "azure_openai",
    "openai_compatible",
};

/// Reads one body, part by part.
class reader : private fields {
public:
  explicit reader(const json& body) : fields(body) {}

  result<run_request> read();

private:
  void check_keys();
  void read_model();
  void read_tasks();
  void read_generation();
  void read_sizes();
  void read_cache();
  void read_places();
  void read_early_stopping();
  void read_dependencies();
  void read_maps();
  void note_what_changes_nothing();

  run_request out_;
};

void reader::check_keys() {
  for (const auto& [key, value] : body_.items())
    if (!contains(top_keys, key))
      return fail(key, "unknown field", did_you_mean(key, top_keys));
  configuration_ = object_at(body_, "configuration", "configuration");
  if (const auto* kwargs = object_at(body_, "gen_kwargs", "gen_kwargs"))
    generation_objects_.emplace_back("gen_kwargs", kwargs);
  if (configuration_) {
    if (const auto* kwargs = object_at(*configuration_, "configuration.gen_kwargs", "gen_kwargs"))
      generation_objects_.emplace_back("configuration.gen_kwargs", kwargs);
    for (const auto& [key, value] : configuration_->items())
      if (!contains(setting_keys, key)) {
        const auto hint = contains(foreign_settings, key) ? std::string{} : did_you_mean(key, setting_keys);
        // Free words are kept. One that is nearly a setting would start something else than was meant.
        if (!hint.empty())
          return fail("configuration." + key, "unknown field", hint);
        note("configuration." + key + ": kept, but no setting of assay has this name");
      }
  }
  for (const auto& [prefix, object] : generation_objects_)
    for (const auto& [key, value] : object->items())
      if (!contains(generation_keys, key))
        return fail(prefix + "." + key, "unknown field", did_you_mean(key, generation_keys));
}

void reader::read_model() {
  const auto text_of = [&](std::string_view key) -> std::string {
    const auto it = body_.find(key);
    if (it == body_.end() || it->is_null())
      return {};
    return text({std::string(key), &*it}, longest_name * 4).value_or("");
  };
  const auto id = text_of("model_id");
  const auto model = text_of("model");
  const auto args = text_of("model_args");
  if (failed())
    return;
  if (id.empty() && model.empty())
    return fail("model_id", "is missing: name a model", "GET /models lists the configured ones");
  if (!id.empty() && !model.empty() && (id != model || !args.empty()))
    return fail("model", "contradicts model_id", "give model_id, or model with model_args");
  if (!args.empty() && model.empty())
    return fail("model_args", "model_args belongs to model, not to model_id",
                "give model and model_args, or model_id alone");
  if (!args.empty() || contains(model_kinds, model)) {
    out_.model_kind = model;
    out_.model_args = args;
  } else {
    out_.model = model_id{id.empty() ? model : id};
  }
}

void reader::read_tasks() {
  const auto tasks = agreed<std::vector<std::string>>({"task_ids", "tasks"},
                                                      [&](const given& at) { return names(at, most_tasks); });
  if (failed())
    return;
  if (!tasks)
    return fail("task_ids", "is missing: name at least one task", "GET /tasks lists them");
  if (tasks->empty())
    return fail(found_.front().where, "must name at least one task", "GET /tasks lists them");
  for (const auto& name : *tasks)
    out_.tasks.emplace_back(name);
}

void reader::read_generation() {
  auto& generation = out_.generation;
  generation.temperature = number_setting("temperature", 0, 2);
  generation.top_p = number_setting("top_p", 0, 1);
  generation.frequency_penalty = number_setting("frequency_penalty", -2, 2);
  generation.presence_penalty = number_setting("presence_penalty", -2, 2);
  if (const auto tokens = whole_setting({"max_tokens", "max_gen_toks"}, 1, 10'000'000))
    generation.max_tokens = static_cast<uint32_t>(*tokens);
  constexpr auto any = std::numeric_limits<int64_t>::max();
  generation.seed = whole_setting({"seed"}, -any, any);
  const auto stop = agreed<std::vector<std::string>>({"stop_sequences", "stop", "until"},
                                                     [&](const given& at) { return stop_texts(at); });
  if (stop)
    generation.stop = *stop;
  const auto sample = flag_setting("do_sample");
  if (sample && !*sample) {
    if (generation.temperature && *generation.temperature != 0)
      note("do_sample: false means temperature 0; the temperature " + shown(json(*generation.temperature))
           + " is not used");
    generation.temperature = 0.0;
  }
}

void reader::read_sizes() {
  constexpr auto any = std::numeric_limits<int64_t>::max();
  if (const auto limit = whole_setting({"limit"}, 1, 1'000'000'000))
    out_.limit = static_cast<uint64_t>(*limit);
  if (const auto shots = whole_setting({"num_fewshot"}, 0, 1000))
    out_.num_fewshot = static_cast<uint32_t>(*shots);
  if (const auto epochs = whole_setting({"epochs"}, 1, 1000))
    out_.epochs = static_cast<uint16_t>(*epochs);
  if (const auto priority = whole_setting({"priority"}, -100, 100))
    out_.priority = static_cast<int32_t>(*priority);
  if (const auto weight = whole_setting({"weight"}, 1, 1000))
    out_.weight = static_cast<uint32_t>(*weight);
  if (const auto limit = whole_setting({"time_limit"}, 1, longest_run_seconds))
    out_.time_limit = seconds{*limit};
  if (const auto cost = number_setting("max_cost", 0, 1e9))
    out_.max_cost = from_dollars(*cost);
  out_.random_seed = whole_setting({"random_seed"}, -any, any);
  if (const auto word = text_setting("execution", longest_name)) {
    const auto wish = execution_wish_from_string(*word);
    if (!wish)
      return fail(found_.front().where, "'" + *word + "' is no way of execution", "online, batch or auto");
    out_.execution = *wish;
  }
  const auto types =
      agreed<std::vector<std::string>>({"prompt_types"}, [&](const given& at) { return names(at, 100); });
  if (types)
    out_.prompt_types = *types;
  out_.predict_only = flag_setting("predict_only").value_or(false);
  out_.log_samples = flag_setting("log_samples").value_or(true);
  if (const auto it = body_.find("dry_run"); it != body_.end() && !it->is_null())
    out_.dry_run = flag({"dry_run", &*it}).value_or(false);
}

/// The four switches in lm-evaluation-harness's words (`--use_cache`, `--cache_requests true|refresh|delete`
/// and what it makes of them). There, use_cache names a file of answers and the others are about rendered
/// requests; here one cache of answers serves all of them.
void reader::read_cache() {
  const auto use = agreed<bool>({"use_cache"}, [&](const given& at) -> std::optional<bool> {
    if (!at.value->is_string())
      return flag(at);
    const auto& name = at.value->get_ref<const std::string&>();
    const bool on = !name.empty() && name != "false";
    if (on && name != "true")
      note(at.where + ": assay keeps answers in its own store, not in '" + name.substr(0, 80) + "'");
    return on;
  });
  const auto requests =
      agreed<std::string>({"cache_requests"}, [&](const given& at) -> std::optional<std::string> {
        if (at.value->is_boolean())
          return at.value->get<bool>() ? "true" : "false";
        const auto word = at.value->is_string() ? at.value->get<std::string>() : std::string{};
        if (word != "true" && word != "false" && word != "refresh" && word != "delete") {
          fail(at.where, "must be true, false, \"refresh\" or \"delete\", not " + shown(*at.value));
          return std::nullopt;
        }
        return word;
      });
  const bool rewrite = flag_setting("rewrite_requests_cache").value_or(false) || requests == "refresh";
  const bool remove = flag_setting("delete_requests_cache").value_or(false) || requests == "delete";
  const bool keep = use.value_or(false) || requests == "true";
  if (rewrite || (remove && keep))
    out_.cache = cache_use::rewrite;
  else if (remove)
    out_.cache = cache_use::remove;
  else if (keep)
    out_.cache = cache_use::use;
}

void reader::read_places() {
  if (const auto mode = text_setting("context_mode", longest_name)) {
    if (!mode->empty() && !contains(context_modes, *mode))
      return fail(found_.front().where, "'" + *mode + "' is no context mode",
                  "one of no_context, minimal_context, full_context, domain_context");
    out_.context_mode = *mode;
  }
  if (const auto path = text_setting("output_base_path", 1024)) {
    const auto place = place_in_results(*path);
    if (!path->empty() && !place)
      return fail(found_.front().where, place.error().message, place.error().hint);
    out_.output_path = *path;
  }
  if (const auto it = body_.find("request_id"); it != body_.end() && !it->is_null())
    if (!it->is_string() || !is_caller_id(it->get_ref<const std::string&>()))
      fail("request_id", "must be 1 to 128 characters out of letters, digits, '.', '_' and '-'");
}

void reader::read_early_stopping() {
  const auto it = body_.find("early_stopping");
  if (it == body_.end() || it->is_null())
    return;
  auto wish = early_stopping_from_request(*it, "early_stopping");
  if (!wish)
    return fail(wish.error().where, wish.error().message, wish.error().hint);
  out_.stop_when = std::move(*wish);
}

void reader::read_dependencies() {
  const auto it = body_.find("depends_on");
  if (it == body_.end() || it->is_null())
    return;
  const auto ids = names({"depends_on", &*it}, 100);
  if (!ids)
    return;
  for (const auto& text : *ids) {
    const auto id = run_id_from_string(text);
    if (!id)
      return fail("depends_on", "'" + text + "' is no evaluation id",
                  "ids look like eval_1234567890_abcd1234");
    out_.depends_on.push_back(*id);
  }
}

void reader::read_maps() {
  if (const auto* metadata = object_at(body_, "metadata", "metadata")) {
    out_.metadata = metadata->dump(-1, ' ', false, json::error_handler_t::replace);
    if (out_.metadata.size() > largest_map)
      return fail("metadata", "is larger than 64 KiB");
  }
  json requested = configuration_ ? *configuration_ : json::object();
  for (const auto key : setting_keys)
    if (const auto it = body_.find(key); it != body_.end() && !it->is_null())
      requested[std::string(key)] = *it;
  out_.requested = requested.dump(-1, ' ', false, json::error_handler_t::replace);
  if (out_.requested.size() > largest_map)
    fail("configuration", "is larger than 64 KiB");
}

void reader::note_what_changes_nothing() {
  collect({"batch_size"});
  for (const auto& at : std::exchange(found_, {})) {
    if (!(at.value->is_string() && at.value->get_ref<const std::string&>().starts_with("auto"))
        && !whole(at, 1, 1'000'000))
      return;
    note(at.where + ": accepted; calls go out one by one as fast as the provider's limits allow");
  }
  if (const auto device = text_setting("device", longest_name))
    note("device: accepted; models run at their providers, not on this machine");
  for (const auto key : {"numpy_random_seed", "torch_random_seed", "fewshot_random_seed"}) {
    constexpr auto any = std::numeric_limits<int64_t>::max();
    if (whole_setting({key}, -any, any))
      note(std::string(key) + ": accepted and recorded; only random_seed is drawn from");
  }
  for (const auto key : {"write_out", "show_config"})
    if (flag_setting(key).value_or(false))
      note(std::string(key) + ": accepted; results and configuration are always kept");
  if (text_setting("verbosity", longest_name))
    note("verbosity: accepted; the server's log level decides");
}

result<run_request> reader::read() {
  if (!body_.is_object())
    return fault{errc::invalid_argument, "the body must be a JSON object, not " + shown(body_), {}, {}};
  using part = void (reader::*)();
  constexpr std::array<part, 11> parts{&reader::check_keys,
                                       &reader::read_model,
                                       &reader::read_tasks,
                                       &reader::read_generation,
                                       &reader::read_sizes,
                                       &reader::read_cache,
                                       &reader::read_places,
                                       &reader::read_early_stopping,
                                       &reader::read_dependencies,
                                       &reader::read_maps,
                                       &reader::note_what_changes_nothing};
  for (const auto next : parts) {
    (this->*next)();
    if (error_)
      return std::move(*error_);
  }
  out_.notes = std::move(notes_);
  return std::move(out_);
}

} // namespace

result<run_request> run_request_from_json(const nlohmann::json& body) { return reader{body}.read(); }

} // namespace assay
