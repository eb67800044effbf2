#include "core/tasks/lm_eval/task_reader.hpp"
#include "core/tasks/lm_eval/datasets.hpp"
#include "core/tasks/lm_eval/scorers.hpp"
#include "core/tasks/lm_eval/task_config.hpp"
#include "core/tasks/lm_eval/yaml_values.hpp"
#include "core/tasks/name_hint.hpp"
#include "core/values/ids.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>
#include <utility>

namespace assay::tasks::lm_eval {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr uint32_t most_examples = 100;
constexpr uint32_t most_repeats = 1'000;
constexpr uint32_t usual_answer_tokens = 256;

/// What a key may hold; several may be allowed.
enum shape : unsigned {
  text = 1,
  whole = 2,
  number = 4,
  flag = 8,
  list = 16,
  mapping = 32,
  function = 64,
};

struct known_key {
  std::string_view name;
  unsigned shapes;
};

/// Every key of a task, as the format's documents name them. `batch_size` is named there too and means
/// nothing.
constexpr std::array<known_key, 44> task_keys{{
    {"task", text},
    {"task_alias", text},
    {"tag", text | list},
    {"group", text | list},
    {"custom_dataset", function},
    {"dataset_path", text},
    {"dataset_name", text},
    {"dataset_kwargs", mapping},
    {"training_split", text},
    {"validation_split", text},
    {"test_split", text},
    {"fewshot_split", text},
    {"process_docs", function},
    {"doc_to_text", text | function | whole},
    {"doc_to_target", text | function | whole | list},
    {"doc_to_image", text | function | list},
    {"doc_to_audio", text | function | list},
    {"unsafe_code", flag},
    {"doc_to_choice", text | function | list | mapping},
    {"process_results", function | text},
    {"use_prompt", text},
    {"description", text | function},
    {"target_delimiter", text},
    {"fewshot_delimiter", text},
    {"fewshot_config", mapping},
    {"num_fewshot", whole},
    {"metric_list", list},
    {"output_type", text},
    {"generation_kwargs", mapping},
    {"repeats", whole},
    {"filter_list", list},
    {"should_decontaminate", flag},
    {"doc_to_decontamination_query", text | function},
    {"gen_prefix", text},
    {"metadata", mapping},
    {"batch_size", text | whole},
    {"task_list", list},
    {"include", text | list},
    {"class", function | text},
    {"recipe", text},
    {"group_alias", text},
    {"aggregate_metric_list", list | mapping},
    {"weight_by_size", flag},
    {"version", text | whole | number},
}};

constexpr std::array<std::string_view, 12> example_keys{
    "sampler",    "split",       "process_docs",      "fewshot_indices",
    "samples",    "doc_to_text", "doc_to_choice",     "doc_to_target",
    "gen_prefix", "num_fewshot", "fewshot_delimiter", "target_delimiter"};

std::string words_for(unsigned shapes) {
  constexpr std::array<std::pair<unsigned, std::string_view>, 7> words{{{text, "a text"},
                                                                        {whole, "a whole number"},
                                                                        {number, "a number"},
                                                                        {flag, "true or false"},
                                                                        {list, "a list"},
                                                                        {mapping, "a mapping"},
                                                                        {function, "!function module.name"}}};
  std::string out;
  for (const auto& [shape, word] : words)
    if ((shapes & shape) != 0)
      out.append(out.empty() ? "" : " or ").append(word);
  return out;
}

bool has_shape(const json& value, unsigned shapes) {
  if (value.is_object() && value.contains(function_key))
    return (shapes & function) != 0;
  if (value.is_string())
    return (shapes & text) != 0;
  if (value.is_boolean())
    return (shapes & flag) != 0;
  if (value.is_number_integer())
    return (shapes & (whole | number)) != 0;
  if (value.is_number())
    return (shapes & number) != 0;
  return (shapes & (value.is_array() ? list : mapping)) != 0;
}

std::string shown(const json& value) {
  if (value.is_object() && value.contains(function_key))
    return "a function";
  if (value.is_array())
    return "a list";
  if (value.is_object())
    return "a mapping";
  const std::string dumped = value.dump(-1, ' ', false, json::error_handler_t::replace);
  return dumped.size() > 60 ? "a long text" : dumped;
}

std::vector<std::string> texts_of(const json& value) {
  std::vector<std::string> out;
  if (value.is_string())
    out.push_back(value.get<std::string>());
  if (value.is_array())
    for (const auto& one : value)
      if (one.is_string())
        out.push_back(one.get<std::string>());
  return out;
}

std::string folder_of(const std::string& file) {
  return fs::absolute(fs::path(file)).lexically_normal().parent_path().string();
}

/// The deepest folder that holds all of @p folders.
std::string common_folder(const std::vector<std::string>& folders) {
  fs::path out = folders.front();
  for (const auto& one : folders) {
    fs::path shared;
    const fs::path other = one;
    for (auto a = out.begin(), b = other.begin(); a != out.end() && b != other.end() && *a == *b; ++a, ++b)
      shared /= *a;
    out = shared;
  }
  return out.string();
}

/// Turns one mapping with its includes into a task.
class task_reader {
public:
  task_reader(const raw_config& raw, const read_options& options, std::vector<fault>& faults)
      : raw_(raw), options_(options), faults_(faults), before_(faults.size()) {}

  std::optional<task_config> read() {
    read_values();
    if (broken())
      return std::nullopt;
    task_.name = config_.value("task", "");
    if (!is_caller_id(task_.name))
      complain(*raw_.find("task"), "task", "`" + task_.name.substr(0, 40) + "` cannot be a task's name",
               "use letters, digits, dots, dashes and underscores, at most 128");
    task_.alias = config_.value("task_alias", "");
    for (const char* key : {"tag", "group"})
      if (config_.contains(key))
        for (auto& tag : texts_of(config_[key]))
          task_.tags.push_back(std::move(tag));
    task_.files = raw_.files;
    std::vector<std::string> folders;
    for (const auto& file : raw_.files)
      folders.push_back(folder_of(file));
    task_.folder = folders.front();
    read_output();
    read_texts();
    read_examples();
    read_generation();
    refuse_what_is_missing();
    fill_defaults();
    const complaint complain_here = [this](const config_entry& entry, const std::string& path,
                                           std::string message, std::string hint) {
      complain(entry, path, std::move(message), std::move(hint));
    };
    find_datasets(raw_, options_, task_, complain_here);
    const json scorers = make_scorers(raw_, config_, task_.output, task_.notes, complain_here);
    task_.functions = functions_in(config_);
    if (!task_.functions.empty())
      task_.folder = common_folder(folders);
    check_functions();
    if (broken())
      return std::nullopt;
    task_.scorers = scorers.dump();
    task_.json = config_.dump();
    return std::move(task_);
  }

private:
  bool broken() const { return faults_.size() > before_; }

  void complain(const config_entry& entry, const std::string& path, std::string message,
                std::string hint = {}) {
    faults_.push_back({errc::invalid_argument, std::move(message), place_of(entry, path), std::move(hint)});
  }

  void read_values() {
    std::vector<std::string> names;
    for (const auto& one : task_keys)
      names.emplace_back(one.name);
    for (const auto& [key, entry] : raw_.entries) {
      const auto known = std::find_if(task_keys.begin(), task_keys.end(),
                                      [&, &name = key](const known_key& one) { return one.name == name; });
      if (known == task_keys.end()) {
        complain(entry, key, "unknown key", name_hint(key, names));
        continue;
      }
      auto value = to_json(entry.node, folder_of(entry.file));
      if (!value) {
        complain(entry, key, "the value is too deep or too large", "write it plainly, without aliases");
        continue;
      }
      if (value->is_null())
        continue;
      // A name of digits is a name.
      if ((known->shapes & (text | whole | number)) == text && value->is_primitive() && !value->is_string()
          && entry.node.IsScalar())
        *value = entry.node.Scalar();
      if (!has_shape(*value, known->shapes))
        complain(entry, key, "expected " + words_for(known->shapes) + ", found " + shown(*value));
      else
        config_[key] = std::move(*value);
    }
  }

  void read_output() {
    const std::string word = config_.value("output_type", "generate_until");
    if (word == "generate_until") {
      task_.output = output_type::generate_until;
    } else if (word == "multiple_choice") {
      task_.output = output_type::multiple_choice;
    } else if (word == "loglikelihood" || word == "loglikelihood_rolling") {
      complain(
          *raw_.find("output_type"), "output_type",
          word
              + " needs the log-probabilities of given texts, and no provider's chat interface that assay "
                "speaks gives them",
          "use a generate_until form of the task");
    } else {
      complain(*raw_.find("output_type"), "output_type", "no output type is called `" + word + "`",
               "known: generate_until, multiple_choice, loglikelihood, loglikelihood_rolling");
    }
  }

  void read_texts() {
    if (!config_.contains("doc_to_text"))
      complain(*raw_.find("task"), "doc_to_text", "the task does not say what is asked",
               "for example: doc_to_text: \"{{question}}\"");
    if (!config_.contains("doc_to_target") && !config_.contains("process_results"))
      complain(*raw_.find("task"), "doc_to_target", "the task does not say what is right",
               "for example: doc_to_target: \"{{answer}}\"");
    if (task_.output == output_type::multiple_choice && !config_.contains("doc_to_choice"))
      complain(*raw_.find("task"), "doc_to_choice", "a multiple_choice task needs its choices",
               "for example: doc_to_choice: \"{{choices}}\"");
    if (config_.contains("repeats")) {
      const auto repeats = config_["repeats"].get<int64_t>();
      if (repeats < 1 || repeats > most_repeats)
        complain(*raw_.find("repeats"), "repeats",
                 "expected a whole number, 1 to 1000, found " + shown(repeats));
      else
        task_.repeats = static_cast<uint32_t>(repeats);
    }
    task_.unsafe_code = config_.value("unsafe_code", false);
  }

  void read_examples() {
    if (config_.contains("num_fewshot")) {
      const auto count = config_["num_fewshot"].get<int64_t>();
      if (count < 0 || count > most_examples)
        complain(*raw_.find("num_fewshot"), "num_fewshot",
                 "expected a whole number, 0 to 100, found " + shown(count));
      else
        task_.num_fewshot = static_cast<uint32_t>(count);
    }
    if (!config_.contains("fewshot_config"))
      return;
    const auto& entry = *raw_.find("fewshot_config");
    const std::vector<std::string> names(example_keys.begin(), example_keys.end());
    for (const auto& [key, value] : config_["fewshot_config"].items())
      if (std::find(names.begin(), names.end(), key) == names.end())
        complain({entry.node[key], entry.file}, "fewshot_config." + key, "unknown key",
                 name_hint(key, names));
    const auto& config = config_["fewshot_config"];
    if (const auto sampler = config.find("sampler"); sampler != config.end() && !sampler->is_null())
      if (*sampler != "default" && *sampler != "first_n")
        complain({entry.node["sampler"], entry.file}, "fewshot_config.sampler",
                 "no sampler is called " + shown(*sampler), "known: default, first_n");
    if (const auto samples = config.find("samples"); samples != config.end() && samples->is_array())
      if (samples->size() < task_.num_fewshot)
        complain({entry.node["samples"], entry.file}, "fewshot_config.samples",
                 "there are " + std::to_string(samples->size()) + " samples, and num_fewshot wants "
                     + std::to_string(task_.num_fewshot),
                 "add samples, or lower num_fewshot");
  }

  void complain_of_generation(const std::string& key, const json& value, const std::string& expected) {
    const auto& entry = *raw_.find("generation_kwargs");
    complain({entry.node[key], entry.file}, "generation_kwargs." + key,
             "expected " + expected + ", found " + shown(value));
  }

  void read_generation() {
    auto& out = task_.generation;
    json given = config_.value("generation_kwargs", json::object());
    for (const auto& [key, value] : given.items()) {
      if (key == "until" || key == "stop") {
        if (value.is_string() || value.is_array())
          for (auto& one : texts_of(value))
            out.stop.push_back(std::move(one));
        else
          complain_of_generation(key, value, "a text or a list of texts");
      } else if (key == "temperature" || key == "top_p") {
        if (!value.is_number() || value < 0 || value > 2)
          complain_of_generation(key, value, "a number, 0 to 2");
        else
          (key == "top_p" ? out.top_p : out.temperature) = value.get<double>();
      } else if (key == "max_gen_toks" || key == "max_tokens" || key == "max_new_tokens"
                 || key == "max_length") {
        if (!value.is_number_integer() || value < 1 || value > 10'000'000)
          complain_of_generation(key, value, "a whole number, 1 or more");
        else
          out.max_tokens = value.get<uint32_t>();
      } else if (key == "seed") {
        if (!value.is_number_integer())
          complain_of_generation(key, value, "a whole number");
        else
          out.seed = value.get<int64_t>();
      } else if (key == "do_sample") {
        if (!value.is_boolean())
          complain_of_generation(key, value, "true or false");
      } else {
        task_.notes.push_back("generation_kwargs." + key + " is not sent to providers");
      }
    }
    if (given.empty())
      given = {{"temperature", 0.0}, {"do_sample", false}, {"max_gen_toks", usual_answer_tokens}};
    // Programming interfaces are asked for the likeliest text unless a temperature is named.
    if (!out.temperature)
      out.temperature = 0;
    if (out.stop.empty() && !given.contains("until")) {
      // As the format has it, what ends an example ends an answer.
      out.stop.push_back(config_.value("fewshot_delimiter", "\n\n"));
      given["until"] = out.stop;
    }
    std::erase(out.stop, std::string{});
    if (!out.max_tokens)
      out.max_tokens = usual_answer_tokens;
    if (task_.output == output_type::multiple_choice)
      out = {};
    config_["generation_kwargs"] = std::move(given);
  }

  void refuse_what_is_missing() {
    constexpr std::array<std::pair<const char*, const char*>, 5> missing{
        {{"doc_to_image", "pictures in tasks are not supported"},
         {"doc_to_audio", "sound in tasks is not supported"},
         {"custom_dataset", "datasets that a task's Python makes are not supported"},
         {"use_prompt", "promptsource is not supported"},
         {"recipe", "recipes are not supported"}}};
    for (const auto& [key, reason] : missing)
      if (config_.contains(key))
        complain(*raw_.find(key), key, reason,
                 std::string_view(key) == "custom_dataset"
                     ? "write the rows to a JSONL file, and use dataset_path: json"
                     : "remove the key");
    if (config_.value("should_decontaminate", false))
      task_.notes.emplace_back("should_decontaminate: nothing is decontaminated");
  }

  void fill_defaults() {
    const auto set = [this](const char* key, json value) {
      if (!config_.contains(key))
        config_[key] = std::move(value);
    };
    set("output_type", "generate_until");
    set("description", "");
    set("target_delimiter", " ");
    set("fewshot_delimiter", "\n\n");
    set("repeats", 1);
    set("num_fewshot", nullptr);
    set("unsafe_code", false);
    set("should_decontaminate", false);
  }

  /// A function's module must be there, and not outside of the folder of tasks.
  void check_functions() {
    for (const auto& [key, entry] : raw_.entries)
      check_functions_in(entry, key, entry.node, 0);
  }

  void check_functions_in(const config_entry& entry, const std::string& path, const YAML::Node& node,
                          int depth) {
    if (depth > 16)
      return;
    if (is_function(node))
      return check_function({node, entry.file}, path, node.Scalar());
    if (node.IsSequence())
      for (size_t i = 0; i < node.size(); ++i)
        check_functions_in(entry, path + "[" + std::to_string(i) + "]", node[i], depth + 1);
    if (node.IsMap())
      for (const auto& item : node)
        if (item.first.IsScalar())
          check_functions_in(entry, path + "." + item.first.Scalar(), item.second, depth + 1);
  }

  void check_function(const config_entry& at, const std::string& path, const std::string& name) {
    const size_t dot = name.rfind('.');
    const bool plain = std::all_of(name.begin(), name.end(), [](unsigned char c) {
      return std::isalnum(c) != 0 || c == '_' || c == '.' || c >= 0x80;
    });
    if (dot == std::string::npos || dot == 0 || dot + 1 == name.size() || !plain
        || name.find("..") != std::string::npos || name.front() == '.')
      return complain(at, path, "`" + name + "` names no function", "write !function module.name");
    std::string module = name.substr(0, dot);
    std::replace(module.begin(), module.end(), '.', '/');
    const fs::path file = fs::path(folder_of(at.file)) / (module + ".py");
    std::error_code unknown;
    // A module that is not beside the task may be installed where Python runs.
    if (fs::exists(file, unknown) && !lies_in(file, options_.root))
      complain(at, path, "the module lies outside of the folder of tasks: " + file.string(),
               "keep it below " + options_.root.string());
  }

  const raw_config& raw_;
  const read_options& options_;
  std::vector<fault>& faults_;
  size_t before_;
  json config_ = json::object();
  task_config task_;
};

} // namespace

std::optional<task_config> read_task(const raw_config& raw, const read_options& options,
                                     std::vector<fault>& faults) {
  return task_reader{raw, options, faults}.read();
}

} // namespace assay::tasks::lm_eval
