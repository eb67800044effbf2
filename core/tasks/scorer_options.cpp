#include "core/scoring/scorer.hpp"
#include "core/tasks/name_hint.hpp"
#include "core/tasks/task_options.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <charconv>
#include <initializer_list>
#include <limits>
#include <utility>

namespace assay::tasks {
namespace {

using scoring::filter_definition;
using scoring::filter_type;
using scoring::scorer_definition;
using scoring::scorer_type;

constexpr double unlimited = std::numeric_limits<double>::max();
constexpr int schema_depth = 100;

std::vector<std::string> type_names() {
  std::vector<std::string> names;
  for (uint8_t i = 1; i <= scoring::scorer_type_count; ++i)
    names.emplace_back(to_string(static_cast<scorer_type>(i)));
  return names;
}

std::vector<std::string> filter_names() {
  std::vector<std::string> names;
  for (uint8_t i = 1; i <= scoring::filter_type_count; ++i)
    names.emplace_back(to_string(static_cast<filter_type>(i)));
  return names;
}

/// The keys each type takes beside those of all types.
std::vector<std::string> options_of(scorer_type type) {
  switch (type) {
  case scorer_type::exact_match:
    return {"ignore_case", "ignore_punctuation", "ignore_numbers",   "ascii_only", "strip",
            "targets",     "separator",          "regexes_to_ignore"};
  case scorer_type::starts_with:
    return {"ignore_case", "ignore_punctuation", "ignore_numbers", "ascii_only", "strip",
            "targets",     "separator"};
  case scorer_type::contains:
    return {"ignore_case", "ignore_punctuation", "ignore_numbers", "ascii_only", "strip",
            "targets",     "separator",          "mode",           "all",        "whole_words"};
  case scorer_type::regex:
    return {"ignore_case", "ignore_punctuation", "ignore_numbers", "ascii_only", "strip",
            "targets",     "separator",          "pattern",        "group",      "match"};
  case scorer_type::numeric:
    return {"pattern", "ignore_case", "match", "strict", "tolerance", "relative_tolerance"};
  case scorer_type::multiple_choice:
    return {"choices", "index_base", "letters"};
  case scorer_type::json_equal:
    return {"ignore_order", "subset", "required_keys", "tolerance", "relative_tolerance"};
  case scorer_type::f1:
    return {"targets",  "separator", "threshold",   "average",
            "positive", "labels",    "ignore_case", "ignore_punctuation"};
  case scorer_type::bleu:
    return {"targets", "separator", "threshold", "lowercase", "max_order"};
  case scorer_type::chrf:
    return {"targets", "separator", "threshold", "lowercase", "char_order", "word_order", "beta"};
  case scorer_type::ter:
    return {"targets", "separator", "threshold"};
  case scorer_type::rouge:
    return {"targets", "separator", "threshold", "variant", "beta"};
  case scorer_type::accuracy:
  case scorer_type::mcc:
    return {"labels", "ignore_case", "ignore_punctuation"};
  case scorer_type::levenshtein:
    return {"targets", "separator", "threshold", "variant", "ignore_case", "strip"};
  case scorer_type::is_json:
  case scorer_type::contains_json:
  case scorer_type::json_schema:
    return {"schema"};
  case scorer_type::code:
  case scorer_type::completeness:
    return {"language", "cpu_ms", "wall_ms", "memory_mb"};
  case scorer_type::code_quality:
    return {"language"};
  case scorer_type::similarity:
    return {"targets", "separator", "threshold", "models"};
  case scorer_type::judge:
    return {"models", "rubric", "prompt", "scale", "combine", "threshold"};
  case scorer_type::pairwise:
    return {"models", "rubric", "prompt", "combine", "swap"};
  case scorer_type::python:
    return {"function", "call"};
  case scorer_type::assertions:
    return {"variant"};
  }
  return {};
}

/// @returns whether the word at @p key is @p second; reports anything but the two words.
bool second_of(const yaml_fields& fields, std::string_view key, std::string_view first,
               std::string_view second, bool fallback) {
  if (!fields.has(key))
    return fallback;
  const std::string word = fields.text(key);
  if (word != first && word != second)
    fields.wrong(key,
                 "expected " + std::string(first) + " or " + std::string(second) + ", found `" + word + "`");
  return word == second;
}

/// @returns what the word at @p key stands for; reports words that stand for nothing.
template <class Value>
Value one_of(const yaml_fields& fields, std::string_view key, Value fallback,
             std::initializer_list<std::pair<std::string_view, Value>> words) {
  if (!fields.has(key))
    return fallback;
  const std::string found = fields.text(key);
  std::vector<std::string> known;
  for (const auto& [word, value] : words) {
    if (word == found)
      return value;
    known.emplace_back(word);
  }
  fields.wrong(key, "`" + found.substr(0, 40) + "` is not known here", name_hint(found, known));
  return fallback;
}

void check_options(const yaml_fields& fields, const YAML::Node& node, scorer_type type) {
  std::vector<std::string> known = options_of(type);
  known.insert(known.end(),
               {"type", "name", "weight", "primary", "target_pattern", "filters", "aggregation"});
  for (const auto& item : node)
    if (const std::string key = item.first.Scalar();
        std::find(known.begin(), known.end(), key) == known.end())
      fields.faults().add(item.first.Mark(), fields.path_of(key),
                          "the scorer " + std::string(to_string(type)) + " has no such option",
                          name_hint(key, known));
}

/// YAML as the JSON that it means; quoted scalars are texts.
nlohmann::json to_json(const YAML::Node& node, int depth) {
  if (depth > schema_depth || !node.IsDefined() || node.IsNull())
    return nullptr;
  if (node.IsMap()) {
    auto out = nlohmann::json::object();
    for (const auto& item : node)
      if (item.first.IsScalar())
        out[item.first.Scalar()] = to_json(item.second, depth + 1);
    return out;
  }
  if (node.IsSequence()) {
    auto out = nlohmann::json::array();
    for (const auto& item : node)
      out.push_back(to_json(item, depth + 1));
    return out;
  }
  const std::string& text = node.Scalar();
  if (node.Tag() == "!")
    return text;
  bool flag = false;
  if (YAML::convert<bool>::decode(node, flag))
    return flag;
  int64_t whole = 0;
  const char* end = text.data() + text.size();
  if (const auto read = std::from_chars(text.data(), end, whole); read.ec == std::errc{} && read.ptr == end)
    return whole;
  double number = 0;
  if (const auto read = std::from_chars(text.data(), end, number); read.ec == std::errc{} && read.ptr == end)
    return number;
  return text;
}

std::string read_schema(const yaml_fields& fields) {
  const YAML::Node node = fields.get("schema");
  if (!node.IsDefined())
    return {};
  if (node.IsScalar())
    return node.Scalar();
  return to_json(node, 0).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

/// The keys each filter takes beside `function`.
std::vector<std::string> options_of(filter_type type) {
  switch (type) {
  case filter_type::regex:
    return {"regex_pattern", "group_select", "fallback", "python"};
  case filter_type::multi_choice_regex:
    return {"regex_pattern",      "group_select",      "fallback", "ignore_case",
            "ignore_punctuation", "regexes_to_ignore", "python"};
  case filter_type::take_first_k:
    return {"k"};
  case filter_type::map:
    return {"mapping_dict", "default_value"};
  case filter_type::custom:
    return {"filter_fn"};
  default:
    return {};
  }
}

filter_definition read_filter(const YAML::Node& node, const std::string& path, yaml_faults& faults) {
  filter_definition d;
  const std::vector<std::string> names = filter_names();
  const auto read_type = [&](const std::string& word, const YAML::Node& at) {
    const auto type = scoring::filter_type_from_string(word);
    if (type)
      d.type = *type;
    else
      faults.add(at.Mark(), path, "no filter is called `" + word.substr(0, 40) + "`", name_hint(word, names));
    return type.has_value();
  };
  if (node.IsScalar()) {
    if (read_type(node.Scalar(), node)
        && (d.type == filter_type::take_first_k || d.type == filter_type::custom))
      faults.add(node.Mark(), path, "the filter " + node.Scalar() + " needs options",
                 "for example: {function: take_first_k, k: 3}");
    return d;
  }
  const yaml_fields fields(node, path, faults, {});
  if (!node.IsMap())
    return d;
  if (!fields.has("function")) {
    faults.add(node.Mark(), path, "the filter has no function", name_hint("", names));
    return d;
  }
  if (!read_type(fields.text("function"), fields.get("function")))
    return d;
  std::vector<std::string> known = options_of(d.type);
  known.emplace_back("function");
  for (const auto& item : node)
    if (item.first.IsScalar() && std::find(known.begin(), known.end(), item.first.Scalar()) == known.end())
      faults.add(item.first.Mark(), fields.path_of(item.first.Scalar()),
                 "the filter " + std::string(to_string(d.type)) + " has no such option",
                 name_hint(item.first.Scalar(), known));
  d.pattern = fields.text("regex_pattern");
  d.group_select = static_cast<int32_t>(fields.integer("group_select", -1'000'000, 1'000'000).value_or(0));
  d.fallback = fields.text("fallback", d.fallback);
  d.ignore_case = fields.flag("ignore_case", false);
  d.ignore_punctuation = fields.flag("ignore_punctuation", false);
  d.regexes_to_ignore = fields.texts("regexes_to_ignore");
  d.k = static_cast<uint32_t>(fields.integer("k", 1, 10'000).value_or(1));
  d.function = fields.text("filter_fn");
  d.in_python = fields.flag("python", false);
  if (fields.has("default_value"))
    d.default_value = fields.text("default_value");
  if (d.type == filter_type::take_first_k && !fields.has("k"))
    faults.add(node.Mark(), path, "take_first_k needs k", "for example: {function: take_first_k, k: 3}");
  if (d.type == filter_type::custom && d.function.empty())
    faults.add(node.Mark(), path, "custom needs filter_fn", "`module.function`, in a file beside the task");
  if (!fields.has("mapping_dict"))
    return d;
  const YAML::Node mapping = fields.get("mapping_dict");
  const yaml_fields texts(mapping, fields.path_of("mapping_dict"), faults, {});
  if (mapping.IsMap())
    for (const auto& item : mapping)
      if (item.first.IsScalar())
        d.mapping.emplace_back(item.first.Scalar(), texts.text(item.first.Scalar()));
  return d;
}

std::vector<filter_definition> read_filters(const yaml_fields& fields) {
  std::vector<filter_definition> out;
  if (!fields.has("filters"))
    return out;
  const YAML::Node list = fields.get("filters");
  if (!list.IsSequence() || list.size() > 32) {
    fields.wrong("filters", "expected a list of at most 32 filters, found " + describe(list));
    return out;
  }
  for (size_t i = 0; i < list.size(); ++i)
    out.push_back(
        read_filter(list[i], fields.path_of("filters") + "[" + std::to_string(i) + "]", fields.faults()));
  return out;
}

void read_text_options(const yaml_fields& fields, scorer_definition& d) {
  d.strip = fields.flag("strip", true);
  d.ignore_case = fields.flag("ignore_case", false);
  d.ignore_punctuation = fields.flag("ignore_punctuation", false);
  d.ignore_numbers = fields.flag("ignore_numbers", false);
  d.ascii_only = fields.flag("ascii_only", false);
  d.regexes_to_ignore = fields.texts("regexes_to_ignore");
  d.targets = fields.texts("targets");
  d.separator = fields.text("separator");
  d.all = second_of(fields, "mode", "any", "all", fields.flag("all", false));
  d.whole_words = fields.flag("whole_words", false);
  d.pattern = fields.text("pattern");
  if (const auto group = fields.integer("group", 0, 15))
    d.group = static_cast<uint32_t>(*group);
  d.match = second_of(fields, "match", "first", "last", true) ? scoring::match_choice::last
                                                              : scoring::match_choice::first;
}

void read_value_options(const yaml_fields& fields, scorer_definition& d) {
  d.strict = fields.flag("strict", false);
  d.tolerance = fields.number("tolerance", 0, unlimited).value_or(0);
  d.relative_tolerance = fields.number("relative_tolerance", 0, unlimited).value_or(0);
  d.choices = fields.texts("choices");
  if (const auto base = fields.integer("index_base", 0, 1))
    d.index_base = static_cast<uint32_t>(*base);
  d.letters = static_cast<uint32_t>(fields.integer("letters", 2, 10).value_or(10));
  d.ignore_order = fields.flag("ignore_order", false);
  d.subset = fields.flag("subset", false);
  d.required_keys = fields.texts("required_keys");
  d.schema = read_schema(fields);
  d.labels = fields.texts("labels");
  d.positive = fields.text("positive");
  using average = scoring::f1_average;
  d.average = one_of<average>(fields, "average", average::token,
                              {{"token", average::token},
                               {"macro", average::macro},
                               {"binary", average::binary},
                               {"micro", average::micro},
                               {"weighted", average::weighted}});
}

void read_degree_options(const yaml_fields& fields, scorer_definition& d) {
  d.lowercase = fields.flag("lowercase", false);
  d.max_order = static_cast<uint32_t>(fields.integer("max_order", 1, 4).value_or(d.max_order));
  d.char_order = static_cast<uint32_t>(fields.integer("char_order", 1, 6).value_or(d.char_order));
  d.word_order = static_cast<uint32_t>(fields.integer("word_order", 0, 2).value_or(d.word_order));
  d.beta = fields.number("beta", 0, 100);
  d.variant = fields.text("variant");
  d.threshold = fields.number("threshold", 0, unlimited);
}

void read_outside_options(const yaml_fields& fields, scorer_definition& d) {
  d.language = fields.text("language", d.language);
  d.cpu_ms = static_cast<uint32_t>(fields.integer("cpu_ms", 100, 600'000).value_or(d.cpu_ms));
  d.wall_ms = static_cast<uint32_t>(fields.integer("wall_ms", 100, 600'000).value_or(d.wall_ms));
  d.memory_mb = static_cast<uint32_t>(fields.integer("memory_mb", 16, 16'384).value_or(d.memory_mb));
  d.models = fields.texts("models");
  d.rubric = fields.text("rubric");
  d.prompt = fields.text("prompt");
  d.swap = fields.flag("swap", true);
  d.function = fields.text("function");
  using call = scoring::python_call;
  d.call = one_of<call>(
      fields, "call", call::scorer,
      {{"scorer", call::scorer}, {"metric", call::metric}, {"process_results", call::process_results}});
  using scale = scoring::judge_scale;
  d.scale = one_of<scale>(fields, "scale", scale::ten,
                          {{"1-10", scale::ten}, {"1-5", scale::five}, {"yes_no", scale::yes_no}});
  using combination = scoring::verdict_combination;
  d.combine = one_of<combination>(
      fields, "combine", combination::mean,
      {{"mean", combination::mean}, {"median", combination::median}, {"majority", combination::majority}});
}

void read_mapping(const YAML::Node& node, const yaml_fields& fields, scorer_definition& d) {
  check_options(fields, node, d.type);
  d.name = fields.text("name");
  d.weight = fields.number("weight", 0, unlimited).value_or(1);
  d.primary = fields.flag("primary", true);
  d.target_pattern = fields.text("target_pattern");
  d.filters = read_filters(fields);
  using how = scoring::aggregation;
  d.aggregate = one_of<how>(fields, "aggregation", how::automatic,
                            {{"mean", how::mean},
                             {"median", how::median},
                             {"corpus", how::corpus},
                             {"f1", how::class_f1},
                             {"mcc", how::mcc}});
  read_text_options(fields, d);
  read_value_options(fields, d);
  read_degree_options(fields, d);
  read_outside_options(fields, d);
}

/// Finds the node that a fault of make_scorer() is about: `pattern`, `filters[1].k`, ...
YAML::Node node_of(const YAML::Node& scorer, const std::string& where) {
  if (!scorer.IsMap())
    return scorer;
  const size_t end = where.find_first_of(".[");
  const YAML::Node option = scorer[where.substr(0, end)];
  if (!option.IsDefined() || end == std::string::npos || where[end] != '[' || !option.IsSequence())
    return option;
  size_t index = 0;
  std::from_chars(where.data() + end + 1, where.data() + where.size(), index);
  return index < option.size() ? option[index] : option;
}

scorer_definition read_scorer(const YAML::Node& node, const std::string& path, yaml_faults& faults) {
  scorer_definition d;
  const size_t before = faults.all().size();
  const auto broken = [&] { return faults.all().size() > before; };
  const auto read_type = [&](const std::string& word, const YAML::Node& at) {
    if (const auto type = scoring::scorer_type_from_string(word))
      d.type = *type;
    else
      faults.add(at.Mark(), path, "no scorer is called `" + word + "`", name_hint(word, type_names()));
  };
  if (node.IsScalar()) {
    read_type(node.Scalar(), node);
  } else {
    const yaml_fields fields(node, path, faults, {});
    if (broken())
      return d;
    if (!fields.has("type"))
      faults.add(node.Mark(), path, "the scorer has no type", name_hint("", type_names()));
    read_type(fields.text("type"), fields.has("type") ? fields.get("type") : node);
    if (broken())
      return d;
    read_mapping(node, fields, d);
  }
  if (broken())
    return d;
  if (const auto made = scoring::make_scorer(d); made.has_error()) {
    const fault& problem = made.error();
    const YAML::Node option = node_of(node, problem.where);
    faults.add(option.IsDefined() ? option.Mark() : node.Mark(), path + "." + problem.where, problem.message,
               problem.hint);
  }
  d.name = name_of(d);
  return d;
}

/// A code task has its share of passed tests and, where there is code, its quality beside it.
void add_companions(std::vector<scorer_definition>& scorers) {
  for (size_t i = 0; i < scorers.size(); ++i) {
    if (scorers[i].type != scorer_type::code)
      continue;
    const std::string prefix = scorers[i].name == "code" ? "" : scorers[i].name + "_";
    for (const scorer_type type : {scorer_type::completeness, scorer_type::code_quality}) {
      scorer_definition companion = scorers[i];
      companion.type = type;
      companion.name = prefix + std::string(to_string(type));
      companion.primary = false;
      const bool given = std::any_of(scorers.begin(), scorers.end(),
                                     [&](const auto& other) { return other.name == companion.name; });
      if (!given && !(type == scorer_type::code_quality && companion.language == "text"))
        scorers.push_back(std::move(companion));
    }
  }
}

} // namespace

std::vector<scorer_definition> read_scorers(const yaml_fields& task) {
  std::vector<scorer_definition> scorers;
  if (task.has("scorer") && task.has("scorers")) {
    task.wrong("scorer", "both scorer and scorers are given", "keep scorers");
    return scorers;
  }
  if (task.has("scorer")) {
    scorers.push_back(read_scorer(task.get("scorer"), "scorer", task.faults()));
  } else if (task.has("scorers")) {
    const YAML::Node list = task.get("scorers");
    if (!list.IsSequence() || list.size() == 0 || list.size() > 64) {
      task.wrong("scorers", "expected a list of 1 to 64 scorers, found " + describe(list));
      return scorers;
    }
    for (size_t i = 0; i < list.size(); ++i)
      scorers.push_back(read_scorer(list[i], "scorers[" + std::to_string(i) + "]", task.faults()));
  } else {
    task.wrong("scorer", "the task has no scorer", "for example: scorer: exact_match");
    return scorers;
  }
  const char* key = task.has("scorer") ? "scorer" : "scorers";
  for (size_t i = 0; i < scorers.size(); ++i)
    for (size_t j = 0; j < i; ++j)
      if (scorers[i].name == scorers[j].name && !scorers[i].name.empty())
        task.wrong(key, "two scorers are called `" + scorers[i].name + "`", "give one of them a name");
  if (std::none_of(scorers.begin(), scorers.end(), [](const auto& s) { return s.primary && s.weight > 0; }))
    task.wrong(key, "no scorer counts", "one must be primary and have a weight over 0");
  add_companions(scorers);
  return scorers;
}

} // namespace assay::tasks
