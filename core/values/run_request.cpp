#include "core/values/run_request.hpp"

#include "core/values/closest_word.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string_view>
#include <utility>

namespace assay {

namespace {

using json = nlohmann::json;

constexpr size_t most_tasks = 1000;
constexpr size_t longest_name = 256;
constexpr size_t most_stop_texts = 16;
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
    "depends_on",
    "dry_run",
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
    "context_mode",
    "gen_kwargs",
};

/// Settings that may stand in `gen_kwargs`.
constexpr std::string_view generation_keys[] = {
    "temperature", "top_p",        "frequency_penalty", "presence_penalty",
    "max_tokens",  "max_gen_toks", "stop_sequences",    "stop",
    "until",       "seed",         "do_sample",
};

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

template <size_t N>
bool contains(const std::string_view (&words)[N], std::string_view word) {
  return std::find(std::begin(words), std::end(words), word) != std::end(words);
}

fault refused(std::string where, std::string message, std::string hint = {}) {
  return fault{errc::invalid_argument, std::move(message), std::move(where), std::move(hint)};
}

std::string shown(const json& value) {
  auto text = value.dump(-1, ' ', true, json::error_handler_t::replace);
  if (text.size() > 60)
    text = text.substr(0, 57) + "...";
  return text;
}

/// One value with the place where the caller wrote it.
struct given {
  std::string where;
  const json* value = nullptr;
};

/// Collects the faults of one body; the first one counts.
class reader {
public:
  explicit reader(const json& body) : body_(body) {}

  result<run_request> read();

private:
  // -- finding values -----------------------------------------------------------------------------------

  void collect(std::initializer_list<std::string_view> aliases);
  void look_in(const json& object, const std::string& prefix, std::string_view key);
  const json* object_at(const json& parent, const std::string& where, std::string_view key);

  /// Converts every place that names the setting and insists that they agree.
  template <class T, class Convert>
  std::optional<T> agreed(std::initializer_list<std::string_view> aliases, Convert convert) {
    collect(aliases);
    std::optional<T> value;
    std::string first;
    for (const auto& place : found_) {
      const std::optional<T> here = convert(place);
      if (failed() || !here)
        return std::nullopt;
      if (value && *value != *here) {
        fail(first + ", " + place.where, "these two fields contradict each other",
             "give one of them, or the same value in both");
        return std::nullopt;
      }
      if (!value)
        first = place.where;
      value = here;
    }
    return value;
  }

  // -- converting ---------------------------------------------------------------------------------------

  std::optional<int64_t> whole(const given& at, int64_t lowest, int64_t highest);
  std::optional<double> number(const given& at, double lowest, double highest);
  std::optional<bool> flag(const given& at);
  std::optional<std::string> text(const given& at, size_t longest);
  std::optional<std::vector<std::string>> names(const given& at, size_t most);
  std::optional<std::vector<std::string>> stop_texts(const given& at);

  std::optional<int64_t> whole_setting(std::initializer_list<std::string_view> names, int64_t lowest,
                                       int64_t highest);
  std::optional<double> number_setting(std::string_view name, double lowest, double highest);
  std::optional<bool> flag_setting(std::string_view name);
  std::optional<std::string> text_setting(std::string_view name, size_t longest);

  // -- parts of the body --------------------------------------------------------------------------------

  void check_keys();
  void read_model();
  void read_tasks();
  void read_generation();
  void read_sizes();
  void read_places();
  void read_dependencies();
  void read_maps();
  void note_what_changes_nothing();

  // -- outcome ------------------------------------------------------------------------------------------

  bool failed() const noexcept { return error_.has_value(); }
  void fail(std::string where, std::string message, std::string hint = {}) {
    if (!error_)
      error_ = refused(std::move(where), std::move(message), std::move(hint));
  }
  void note(std::string text) { out_.notes.push_back(std::move(text)); }

  const json& body_;
  const json* configuration_ = nullptr;
  std::vector<std::pair<std::string, const json*>> generation_objects_;
  std::vector<given> found_;
  std::optional<fault> error_;
  run_request out_;
};

// -- finding values -------------------------------------------------------------------------------------

void reader::look_in(const json& object, const std::string& prefix, std::string_view key) {
  const auto it = object.find(key);
  if (it != object.end() && !it->is_null())
    found_.push_back({prefix + std::string(key), &*it});
}

void reader::collect(std::initializer_list<std::string_view> aliases) {
  found_.clear();
  for (const auto alias : aliases) {
    look_in(body_, "", alias);
    if (configuration_)
      look_in(*configuration_, "configuration.", alias);
    if (contains(generation_keys, alias))
      for (const auto& [prefix, object] : generation_objects_)
        look_in(*object, prefix + ".", alias);
  }
}

const json* reader::object_at(const json& parent, const std::string& where, std::string_view key) {
  const auto it = parent.find(key);
  if (it == parent.end() || it->is_null())
    return nullptr;
  if (!it->is_object()) {
    fail(where, "must be an object, not " + shown(*it));
    return nullptr;
  }
  return &*it;
}

// -- converting -----------------------------------------------------------------------------------------

std::optional<int64_t> reader::whole(const given& at, int64_t lowest, int64_t highest) {
  const auto& value = *at.value;
  std::optional<int64_t> number;
  if (value.is_number_unsigned()) {
    if (value.get<uint64_t>() <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max()))
      number = static_cast<int64_t>(value.get<uint64_t>());
  } else if (value.is_number_integer()) {
    number = value.get<int64_t>();
  } else if (value.is_number_float()) {
    const auto real = value.get<double>();
    if (std::abs(real) < 9e15 && real == std::floor(real))
      number = static_cast<int64_t>(real);
  }
  if (number && *number >= lowest && *number <= highest)
    return number;
  fail(at.where, "must be a whole number from " + std::to_string(lowest) + " to " + std::to_string(highest)
                     + ", not " + shown(value));
  return std::nullopt;
}

std::optional<double> reader::number(const given& at, double lowest, double highest) {
  const auto& value = *at.value;
  if (value.is_number()) {
    const auto real = value.get<double>();
    if (real >= lowest && real <= highest)
      return real;
  }
  fail(at.where, "must be a number from " + shown(json(lowest)) + " to " + shown(json(highest)) + ", not "
                     + shown(value));
  return std::nullopt;
}

std::optional<bool> reader::flag(const given& at) {
  if (at.value->is_boolean())
    return at.value->get<bool>();
  fail(at.where, "must be true or false, not " + shown(*at.value));
  return std::nullopt;
}

std::optional<std::string> reader::text(const given& at, size_t longest) {
  if (at.value->is_string()) {
    const auto& value = at.value->get_ref<const std::string&>();
    if (value.size() <= longest && value.find('\0') == std::string::npos)
      return value;
  }
  fail(at.where, "must be a text of at most " + std::to_string(longest) + " bytes, not " + shown(*at.value));
  return std::nullopt;
}

std::optional<std::vector<std::string>> reader::names(const given& at, size_t most) {
  if (!at.value->is_array()) {
    fail(at.where, "must be a list of names, not " + shown(*at.value));
    return std::nullopt;
  }
  if (at.value->size() > most) {
    fail(at.where, "has " + std::to_string(at.value->size()) + " entries; at most " + std::to_string(most)
                       + " are allowed");
    return std::nullopt;
  }
  std::vector<std::string> out;
  for (size_t i = 0; i < at.value->size(); ++i) {
    const given element{at.where + "[" + std::to_string(i) + "]", &(*at.value)[i]};
    auto name = text(element, longest_name);
    if (!name)
      return std::nullopt;
    if (name->empty()) {
      fail(element.where, "must not be empty");
      return std::nullopt;
    }
    if (std::find(out.begin(), out.end(), *name) != out.end())
      note(element.where + ": '" + *name + "' is listed twice and taken once");
    else
      out.push_back(std::move(*name));
  }
  return out;
}

std::optional<std::vector<std::string>> reader::stop_texts(const given& at) {
  std::vector<std::string> out;
  if (at.value->is_string()) {
    out.push_back(at.value->get<std::string>());
  } else if (at.value->is_array() && at.value->size() <= most_stop_texts) {
    for (size_t i = 0; i < at.value->size(); ++i) {
      auto one = text({at.where + "[" + std::to_string(i) + "]", &(*at.value)[i]}, longest_name);
      if (!one)
        return std::nullopt;
      out.push_back(std::move(*one));
    }
  } else {
    fail(at.where, "must be a text or a list of at most " + std::to_string(most_stop_texts) + " texts, not "
                       + shown(*at.value));
    return std::nullopt;
  }
  for (const auto& one : out)
    if (one.empty()) {
      fail(at.where, "must not hold an empty text");
      return std::nullopt;
    }
  return out;
}

std::optional<int64_t> reader::whole_setting(std::initializer_list<std::string_view> aliases, int64_t lowest,
                                             int64_t highest) {
  return agreed<int64_t>(aliases, [&](const given& at) { return whole(at, lowest, highest); });
}

std::optional<double> reader::number_setting(std::string_view name, double lowest, double highest) {
  return agreed<double>({name}, [&](const given& at) { return number(at, lowest, highest); });
}

std::optional<bool> reader::flag_setting(std::string_view name) {
  return agreed<bool>({name}, [&](const given& at) { return flag(at); });
}

std::optional<std::string> reader::text_setting(std::string_view name, size_t longest) {
  return agreed<std::string>({name}, [&](const given& at) { return text(at, longest); });
}

// -- parts of the body ----------------------------------------------------------------------------------

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
        const auto hint = did_you_mean(key, setting_keys);
        note("configuration." + key + ": kept, but no setting of assay has this name"
             + (hint.empty() ? std::string{} : "; " + hint));
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
    return fail("model_id, model", "these two fields contradict each other",
                "give model_id, or model with model_args");
  if (!args.empty() && model.empty())
    return fail("model_args, model_id", "model_args belongs to model, not to model_id",
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
  out_.random_seed = whole_setting({"random_seed"}, -any, any);
  const auto types =
      agreed<std::vector<std::string>>({"prompt_types"}, [&](const given& at) { return names(at, 100); });
  if (types)
    out_.prompt_types = *types;
  out_.predict_only = flag_setting("predict_only").value_or(false);
  out_.log_samples = flag_setting("log_samples").value_or(true);
  if (const auto it = body_.find("dry_run"); it != body_.end() && !it->is_null())
    out_.dry_run = flag({"dry_run", &*it}).value_or(false);
}

void reader::read_places() {
  if (const auto mode = text_setting("context_mode", longest_name)) {
    if (!mode->empty() && !contains(context_modes, *mode))
      return fail(found_.front().where, "'" + *mode + "' is no context mode",
                  "one of no_context, minimal_context, full_context, domain_context");
    out_.context_mode = *mode;
  }
  if (const auto path = text_setting("output_base_path", 1024)) {
    const std::string_view text = *path;
    bool climbs = text.starts_with('/');
    for (size_t start = 0; start <= text.size();) {
      const auto end = std::min(text.find('/', start), text.size());
      climbs = climbs || text.substr(start, end - start) == "..";
      start = end + 1;
    }
    if (climbs)
      return fail(found_.front().where, "must be a relative path below the results folder",
                  "write it like 'results/my_experiment'");
    out_.output_path = *path;
  }
  if (const auto it = body_.find("request_id"); it != body_.end() && !it->is_null())
    if (!it->is_string() || !is_caller_id(it->get_ref<const std::string&>()))
      fail("request_id", "must be 1 to 128 characters out of letters, digits, '.', '_' and '-'");
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
  for (const auto key : {"use_cache", "cache_requests", "rewrite_requests_cache", "delete_requests_cache"}) {
    collect({key});
    for (const auto& at : found_) {
      if (!at.value->is_boolean() && !at.value->is_string())
        return fail(at.where, "must be true or false, not " + shown(*at.value));
      if (*at.value != false)
        note(at.where + ": accepted; every paid answer is kept in the journal anyway");
    }
  }
  for (const auto key : {"write_out", "show_config"})
    if (flag_setting(key).value_or(false))
      note(std::string(key) + ": accepted; results and configuration are always kept");
  if (text_setting("verbosity", longest_name))
    note("verbosity: accepted; the server's log level decides");
}

result<run_request> reader::read() {
  if (!body_.is_object())
    return refused({}, "the body must be a JSON object, not " + shown(body_));
  using part = void (reader::*)();
  constexpr std::array<part, 9> parts{
      &reader::check_keys,        &reader::read_model, &reader::read_tasks,
      &reader::read_generation,   &reader::read_sizes, &reader::read_places,
      &reader::read_dependencies, &reader::read_maps,  &reader::note_what_changes_nothing};
  for (const auto next : parts) {
    (this->*next)();
    if (error_)
      return std::move(*error_);
  }
  return std::move(out_);
}

} // namespace

result<run_request> run_request_from_json(const nlohmann::json& body) { return reader{body}.read(); }

} // namespace assay
