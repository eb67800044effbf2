#include "core/tasks/task_options.hpp"

#include "core/scoring/scorer.hpp"
#include "core/tasks/name_hint.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace assay::tasks {
namespace {

using scoring::scorer_definition;
using scoring::scorer_type;

constexpr double unlimited = std::numeric_limits<double>::max();

std::vector<std::string> type_names() {
  std::vector<std::string> names;
  for (uint8_t i = 1; i <= static_cast<uint8_t>(scorer_type::json_equal); ++i)
    names.emplace_back(to_string(static_cast<scorer_type>(i)));
  return names;
}

/// The keys each type takes beside those of all types.
std::vector<std::string> options_of(scorer_type type) {
  switch (type) {
  case scorer_type::exact_match:
    return {"ignore_case", "ignore_punctuation", "ignore_numbers", "strip", "targets", "separator"};
  case scorer_type::contains:
    return {"ignore_case", "ignore_punctuation", "ignore_numbers", "strip", "targets", "separator", "mode",
            "all",         "whole_words"};
  case scorer_type::regex:
    return {"ignore_case", "ignore_punctuation", "ignore_numbers", "strip",
            "targets",     "separator",          "pattern",        "group",
            "match"};
  case scorer_type::numeric:
    return {"pattern", "ignore_case", "match", "strict", "tolerance", "relative_tolerance"};
  case scorer_type::multiple_choice:
    return {"choices", "index_base", "letters"};
  case scorer_type::json_equal:
    return {"ignore_order", "subset", "required_keys", "tolerance", "relative_tolerance"};
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

void check_options(const yaml_fields& fields, const YAML::Node& node, scorer_type type) {
  std::vector<std::string> known = options_of(type);
  known.insert(known.end(), {"type", "name", "weight", "primary", "target_pattern"});
  for (const auto& item : node)
    if (const std::string key = item.first.Scalar();
        std::find(known.begin(), known.end(), key) == known.end())
      fields.faults().add(item.first.Mark(), fields.path_of(key),
                          "the scorer " + std::string(to_string(type)) + " has no such option",
                          name_hint(key, known));
}

scorer_definition read_scorer(const YAML::Node& node, const std::string& path, yaml_faults& faults) {
  scorer_definition d;
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
    if (!faults.empty())
      return d;
    if (!fields.has("type"))
      faults.add(node.Mark(), path, "the scorer has no type", name_hint("", type_names()));
    read_type(fields.text("type"), fields.has("type") ? fields.get("type") : node);
    if (!faults.empty())
      return d;
    check_options(fields, node, d.type);
    d.name = fields.text("name");
    d.weight = fields.number("weight", 0, unlimited).value_or(1);
    d.primary = fields.flag("primary", true);
    d.target_pattern = fields.text("target_pattern");
    d.strip = fields.flag("strip", true);
    d.ignore_case = fields.flag("ignore_case", false);
    d.ignore_punctuation = fields.flag("ignore_punctuation", false);
    d.ignore_numbers = fields.flag("ignore_numbers", false);
    d.targets = fields.texts("targets");
    d.separator = fields.text("separator");
    d.all = second_of(fields, "mode", "any", "all", fields.flag("all", false));
    d.whole_words = fields.flag("whole_words", false);
    d.pattern = fields.text("pattern");
    if (const auto group = fields.integer("group", 0, 15))
      d.group = static_cast<uint32_t>(*group);
    d.match = second_of(fields, "match", "first", "last", true) ? scoring::match_choice::last
                                                                : scoring::match_choice::first;
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
  }
  if (!faults.empty())
    return d;
  if (const auto made = scoring::make_scorer(d); made.has_error()) {
    const fault& problem = made.error();
    const YAML::Node option = node.IsMap() ? node[problem.where] : node;
    faults.add(option.IsDefined() ? option.Mark() : node.Mark(), path + "." + problem.where, problem.message,
               problem.hint);
  }
  d.name = name_of(d);
  return d;
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
      if (scorers[i].name == scorers[j].name)
        task.wrong(key, "two scorers are called `" + scorers[i].name + "`", "give one of them a name");
  if (std::none_of(scorers.begin(), scorers.end(), [](const auto& s) { return s.primary && s.weight > 0; }))
    task.wrong(key, "no scorer counts", "one must be primary and have a weight over 0");
  return scorers;
}

sampling read_generation(const yaml_fields& task) {
  sampling out;
  if (!task.has("generation"))
    return out;
  const yaml_fields fields(task.get("generation"), "generation", task.faults(),
                           {"temperature", "top_p", "frequency_penalty", "presence_penalty", "max_tokens",
                            "max_gen_toks", "seed", "stop", "until", "do_sample"});
  out.temperature = fields.number("temperature", 0, 2);
  if (fields.has("do_sample") && !fields.flag("do_sample", true)) {
    if (out.temperature.value_or(0) != 0)
      fields.wrong("do_sample", "do_sample false contradicts the temperature", "keep one of them");
    out.temperature = 0;
  }
  out.top_p = fields.number("top_p", 0, 1);
  out.frequency_penalty = fields.number("frequency_penalty", -2, 2);
  out.presence_penalty = fields.number("presence_penalty", -2, 2);
  for (const char* key : {"max_tokens", "max_gen_toks"})
    if (const auto tokens = fields.integer(key, 1, 10'000'000)) {
      if (out.max_tokens && *out.max_tokens != static_cast<uint32_t>(*tokens))
        fields.wrong(key, "max_tokens and max_gen_toks contradict each other", "keep one of them");
      out.max_tokens = static_cast<uint32_t>(*tokens);
    }
  out.seed = fields.integer("seed", std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max());
  out.stop = fields.texts("stop");
  for (std::string& text : fields.texts("until"))
    out.stop.push_back(std::move(text));
  return out;
}

text_template read_template(const yaml_fields& fields, std::string_view key) {
  auto compiled = text_template::compile(fields.text(key));
  if (compiled.has_error()) {
    fields.wrong(key, compiled.error().message, compiled.error().hint);
    return {};
  }
  return std::move(*compiled);
}

std::vector<prompt_variant> read_prompts(const yaml_fields& task) {
  std::vector<prompt_variant> prompts;
  const auto read_variant = [&](const yaml_fields& fields, const std::string& key, const std::string& name) {
    prompt_variant variant;
    variant.name = name;
    const YAML::Node node = fields.get(key);
    if (node.IsMap()) {
      const yaml_fields parts(node, fields.path_of(key), task.faults(), {"system", "user"});
      if (parts.has("system"))
        variant.system = read_template(parts, "system");
      if (!parts.has("user"))
        parts.wrong("user", "the prompt has no user message", "for example: user: \"{question}\"");
      variant.user = read_template(parts, "user");
    } else {
      variant.user = read_template(fields, key);
    }
    // Jinja's braces would otherwise be sent to the model as they are.
    const std::string& source = variant.user.source();
    if (variant.user.is_constant() && source.find("{{") != std::string::npos)
      fields.wrong(key, "the prompt has no field, only {{ braces }}", "write {question}, with single braces");
    if (source.empty())
      fields.wrong(key, "the prompt is empty");
    prompts.push_back(std::move(variant));
  };
  if (task.has("prompt") && task.has("prompts")) {
    task.wrong("prompt", "both prompt and prompts are given", "keep prompts");
  } else if (task.has("prompt")) {
    read_variant(task, "prompt", "baseline");
  } else if (task.has("prompts")) {
    const YAML::Node node = task.get("prompts");
    const yaml_fields fields(node, "prompts", task.faults(), {});
    if (node.IsMap() && task.faults().empty()) {
      for (const auto& item : node)
        read_variant(fields, item.first.Scalar(), item.first.Scalar());
      if (prompts.empty())
        task.wrong("prompts", "there is no prompt", "for example: prompts: {baseline: \"{question}\"}");
    }
  } else {
    task.wrong("prompts", "the task has no prompt", "for example: prompt: \"{question}\"");
  }
  return prompts;
}

} // namespace assay::tasks
