#include "core/tasks/lm_eval/scorers.hpp"

#include "core/scoring/filters.hpp"
#include "core/tasks/lm_eval/yaml_values.hpp"
#include "core/tasks/name_hint.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

namespace assay::tasks::lm_eval {
namespace {

using nlohmann::json;

/// Metrics that are made of the likelihoods of texts.
constexpr std::array<std::string_view, 11> likelihood_metrics{
    "acc_norm",        "acc_mutual_info", "acc_bytes",     "acc_all",     "perplexity",    "likelihood",
    "word_perplexity", "byte_perplexity", "bits_per_byte", "brier_score", "exact_match_mc"};
constexpr std::array<std::string_view, 4> own_keys{"metric", "aggregation", "higher_is_better",
                                                   "hf_evaluate"};

constexpr std::array<std::string_view, 12> filter_names{"regex",         "multi_choice_regex",
                                                        "regex_pos",     "remove_whitespace",
                                                        "take_first",    "take_first_k",
                                                        "majority_vote", "lowercase",
                                                        "uppercase",     "map",
                                                        "format_span",   "custom"};

template <size_t N>
bool is_one_of(std::string_view word, const std::array<std::string_view, N>& words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

template <size_t N>
std::vector<std::string> as_list(const std::array<std::string_view, N>& words) {
  return {words.begin(), words.end()};
}

bool is_python(const json& value) { return value.is_object() && value.contains(function_key); }

std::string function_name(const json& value) { return value.at(function_key).get<std::string>(); }

/// A named list of steps.
struct pipeline {
  std::string name;
  json steps = json::array();
};

class scorer_maker {
public:
  scorer_maker(const raw_config& raw, const json& config, output_type output, std::vector<std::string>& notes,
               const complaint& complain)
      : raw_(raw), config_(config), output_(output), notes_(notes), complain_(complain) {}

  json make() {
    const auto pipelines = read_filters();
    json metrics = config_.value("metric_list", json());
    if (!metrics.is_array() || metrics.empty())
      metrics = output_ == output_type::multiple_choice
                    ? json::array({{{"metric", "acc"}}, {{"metric", "acc_norm"}}})
                    : json::array({{{"metric", "exact_match"}}});
    json out = json::array();
    std::set<std::string> names;
    for (size_t i = 0; i < metrics.size(); ++i)
      for (const auto& one : pipelines)
        if (auto scorer = make_one(metrics[i], i, one))
          if (names.insert((*scorer)["name"].get<std::string>()).second)
            out.push_back(std::move(*scorer));
    for (size_t i = 1; i < out.size(); ++i)
      out[i]["primary"] = false;
    if (out.empty())
      complain_(here("metric_list"), "metric_list", "none of the metrics can be computed from text",
                "known: exact_match, f1, bleu, chrf, ter, or a Python function");
    return out;
  }

private:
  config_entry here(std::string_view key) const {
    const auto* entry = raw_.find(key);
    return entry != nullptr ? *entry : *raw_.find("task");
  }

  static YAML::Node child(const YAML::Node& node, size_t index) {
    return node.IsSequence() && index < node.size() ? node[index] : node;
  }

  std::vector<pipeline> read_filters() {
    std::vector<pipeline> out;
    const json list = config_.value("filter_list", json());
    if (output_ == output_type::multiple_choice || !list.is_array() || list.empty()) {
      if (output_ == output_type::multiple_choice && list.is_array() && !list.empty())
        notes_.emplace_back("filter_list: the letter is taken from the answer instead");
      out.push_back({"none", json::array()});
      return out;
    }
    const auto entry = here("filter_list");
    for (size_t i = 0; i < list.size(); ++i) {
      const auto path = "filter_list[" + std::to_string(i) + "]";
      const config_entry at{child(entry.node, i), entry.file};
      if (!list[i].is_object() || !list[i].contains("name") || !list[i]["name"].is_string()) {
        complain_(at, path, "expected a mapping with name and filter", "for example: name: strict-match");
        continue;
      }
      pipeline one;
      one.name = list[i]["name"].get<std::string>();
      const json steps = list[i].value("filter", json::array());
      for (size_t k = 0; k < steps.size(); ++k)
        add_step(one, steps[k], at, path + ".filter[" + std::to_string(k) + "]");
      out.push_back(std::move(one));
    }
    return out;
  }

  /// What the pattern needs of Python's engine is told here, not when a run is under way.
  void check_pattern(const json& step, const config_entry& at, const std::string& path) {
    if (!step.contains("regex_pattern") || !step["regex_pattern"].is_string())
      return;
    if (const auto beyond = scoring::beyond_re2(step["regex_pattern"].get<std::string>()); !beyond.empty())
      complain_(at, path + ".regex_pattern", "patterns with " + beyond + " are not supported",
                "write the pattern without it");
  }

  void add_step(pipeline& out, const json& step, const config_entry& at, const std::string& path) {
    if (!step.is_object() || !step.contains("function"))
      return complain_(at, path, "expected a mapping with the key function",
                       "for example: function: take_first");
    if (is_python(step["function"]) || step["function"] == "custom")
      return complain_(at, path + ".function", "filters that are Python functions are not supported",
                       "let process_results do it");
    check_pattern(step, at, path);
    const std::string name = step["function"].is_string() ? step["function"].get<std::string>() : "";
    if (name == "decontaminate") {
      notes_.emplace_back(path + ": nothing is decontaminated");
      return;
    }
    if (!is_one_of(name, filter_names))
      return complain_(at, path + ".function", "no filter is called `" + name + "`",
                       name_hint(name, as_list(filter_names)));
    json made = step;
    for (auto& [key, value] : made.items())
      if (is_python(value))
        value = function_name(value);
    for (const char* key : {"regexes_to_ignore", "default_value"})
      if (made.contains(key) && made[key].is_null())
        made.erase(key);
    out.steps.push_back(std::move(made));
  }

  std::optional<json> make_one(const json& metric, size_t index, const pipeline& filters) {
    const auto entry = here("metric_list");
    const config_entry at{child(entry.node, index), entry.file};
    const auto path = "metric_list[" + std::to_string(index) + "]";
    if (!metric.is_object() || !metric.contains("metric")) {
      complain_(at, path, "expected a mapping with the key metric", "for example: - metric: exact_match");
      return std::nullopt;
    }
    if (metric.contains("aggregation") && is_python(metric["aggregation"])) {
      complain_(at, path + ".aggregation", "aggregations that are Python functions are not supported",
                "use mean, or write the metric so that its mean is wanted");
      return std::nullopt;
    }
    json out;
    if (config_.contains("process_results") || is_python(metric["metric"])) {
      out = python_scorer(metric);
      if (std::any_of(filters.steps.begin(), filters.steps.end(),
                      [](const json& step) { return step["function"] != "take_first"; })) {
        complain_(at, path, "filters in front of Python functions are not supported",
                  "let the function do it, or use a metric by name");
        return std::nullopt;
      }
    } else if (metric["metric"].is_string())
      out = named_scorer(metric, at, path);
    if (out.is_null())
      return std::nullopt;
    const std::string name = is_python(metric["metric"]) ? after_dot(function_name(metric["metric"]))
                                                         : metric["metric"].get<std::string>();
    out["name"] = name + "," + filters.name;
    if (!filters.steps.empty() && out["type"] != "python")
      out["filters"] = filters.steps;
    if (const auto how = metric.find("aggregation");
        how != metric.end() && how->is_string() && *how == "median")
      out["aggregation"] = "median";
    return out;
  }

  static std::string after_dot(const std::string& name) { return name.substr(name.rfind('.') + 1); }

  json python_scorer(const json& metric) const {
    // process_results names the metrics that it returns; a metric's own function returns the value.
    const json& function =
        config_.contains("process_results") ? config_["process_results"] : metric["metric"];
    if (!is_python(function))
      return {};
    return {{"type", "python"},
            {"function", function_name(function)},
            {"call", config_.contains("process_results") ? "process_results" : "metric"}};
  }

  json named_scorer(const json& metric, const config_entry& at, const std::string& path) {
    const std::string name = metric["metric"].get<std::string>();
    if (is_one_of(name, likelihood_metrics)) {
      if (output_ == output_type::multiple_choice)
        notes_.push_back(name + " is left out: it needs the log-probabilities of the choices");
      else
        complain_(at, path + ".metric", name + " needs the log-probabilities of given texts",
                  "use a metric of texts, such as exact_match");
      return {};
    }
    if (output_ == output_type::multiple_choice) {
      if (name == "acc")
        return {{"type", "multiple_choice"}};
      notes_.push_back(name + " is left out: only acc is computed of letters");
      return {};
    }
    if (name == "exact_match")
      return exact_match(metric, at, path);
    if (name == "bleu" || name == "chrf" || name == "ter")
      return {{"type", name}};
    if (name == "f1")
      return {{"type", "f1"}, {"average", "binary"}, {"positive", "1"}};
    if (name == "mcc")
      return {{"type", "mcc"}};
    if (name == "bypass") {
      notes_.emplace_back("bypass is left out: it judges nothing");
      return {};
    }
    const std::vector<std::string> known{"exact_match", "f1", "bleu", "chrf", "ter", "mcc", "acc", "bypass"};
    if (name == "acc")
      complain_(at, path + ".metric", "acc is a metric of multiple_choice tasks, and of process_results",
                "use exact_match");
    else
      complain_(at, path + ".metric", "no metric is called `" + name + "`", name_hint(name, known));
    return {};
  }

  json exact_match(const json& metric, const config_entry& at, const std::string& path) {
    const std::vector<std::string> known{"ignore_case", "ignore_punctuation", "ignore_numbers",
                                         "regexes_to_ignore"};
    json out{{"type", "exact_match"}, {"strip", false}, {"ascii_only", true}};
    for (const auto& [key, value] : metric.items()) {
      if (key == "ignore_case" || key == "ignore_punctuation" || key == "ignore_numbers") {
        if (value.is_boolean())
          out[key] = value;
        else if (!value.is_null())
          complain_(at, path + "." + key, "expected true or false", {});
      } else if (key == "regexes_to_ignore") {
        if (value.is_array())
          out[key] = value;
        else if (!value.is_null())
          complain_(at, path + "." + key, "expected a list of patterns", {});
      } else if (!is_one_of(key, own_keys)) {
        complain_(at, path + "." + key, "exact_match has no such option", name_hint(key, known));
      }
    }
    return out;
  }

  const raw_config& raw_;
  const json& config_;
  output_type output_;
  std::vector<std::string>& notes_;
  const complaint& complain_;
};

} // namespace

json make_scorers(const raw_config& raw, const json& config, output_type output,
                  std::vector<std::string>& notes, const complaint& complain) {
  return scorer_maker{raw, config, output, notes, complain}.make();
}

} // namespace assay::tasks::lm_eval
