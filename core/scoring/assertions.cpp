#include "core/scoring/assertions.hpp"

#include "core/scoring/answer_json.hpp"
#include "core/scoring/pattern.hpp"
#include "core/scoring/scorer.hpp"
#include "core/scoring/text.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>

namespace assay::scoring {
namespace {

using nlohmann::json;

constexpr size_t most_assertions = 1'000;
constexpr std::string_view negation = "not-";

/// What `value` must be.
enum class value_shape : uint8_t { any, text, pattern, texts, schema, set };

struct known_type {
  std::string_view name;
  value_shape shape;
  double threshold = 0; ///< Where the assertion says none.
};

constexpr std::array<known_type, 15> known_types{{
    {"equals", value_shape::any},
    {"contains", value_shape::text},
    {"icontains", value_shape::text},
    {"regex", value_shape::pattern},
    {"starts-with", value_shape::text},
    {"contains-any", value_shape::texts},
    {"contains-all", value_shape::texts},
    {"icontains-any", value_shape::texts},
    {"icontains-all", value_shape::texts},
    {"is-json", value_shape::schema},
    {"contains-json", value_shape::schema},
    {"levenshtein", value_shape::text, 5},
    {"rouge-n", value_shape::text, 0.75},
    {"bleu", value_shape::text, 0.5},
    {"assert-set", value_shape::set},
}};

const known_type* find_type(std::string_view name) {
  const auto found =
      std::find_if(known_types.begin(), known_types.end(), [&](const auto& one) { return one.name == name; });
  return found == known_types.end() ? nullptr : &*found;
}

std::string names_of_types() {
  std::string out;
  for (const auto& type : known_types)
    out.append(out.empty() ? "" : ", ").append(type.name);
  return out;
}

std::string as_text(const json& value) {
  return value.is_string() ? value.get<std::string>()
                           : value.dump(-1, ' ', false, json::error_handler_t::replace);
}

/// A list, or one text with commas.
std::vector<std::string> as_texts(const json& value) {
  std::vector<std::string> out;
  if (value.is_array()) {
    for (const auto& one : value)
      out.push_back(as_text(one));
    return out;
  }
  const std::string text = as_text(value);
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    if (const auto part = strip(std::string_view(text).substr(begin, end - begin)); !part.empty())
      out.emplace_back(part);
    begin = end + 1;
  }
  return out;
}

/// One assertion, ready to judge answers.
struct assertion {
  const known_type* type = nullptr;
  std::string name; ///< As written.
  bool negated = false;
  double weight = 1;
  std::optional<double> threshold;
  std::string metric;
  json value;
  std::vector<std::string> texts;
  std::optional<pattern> expression;
  std::shared_ptr<const scorer> judge; ///< For those that a scorer of the same kind judges.
  std::vector<assertion> members;      ///< Of a set.
};

/// What one assertion says.
struct held {
  double score = 0;
  bool pass = false;
};

class list_reader {
public:
  /// Fails with errc::invalid_argument.
  result<std::vector<assertion>> read(const json& list, const std::string& path, bool in_set) {
    if (!list.is_array())
      return wrong(path, "expected a list of assertions", {});
    std::vector<assertion> out;
    for (size_t i = 0; i < list.size(); ++i) {
      if (++count_ > most_assertions)
        return wrong(path, "more than " + std::to_string(most_assertions) + " assertions", "split the test");
      auto one = read_one(list[i], path + "[" + std::to_string(i) + "]", in_set);
      if (!one)
        return one.error();
      out.push_back(std::move(*one));
    }
    return out;
  }

  static fault wrong(std::string where, std::string message, std::string hint) {
    return {errc::invalid_argument, std::move(message), std::move(where), std::move(hint)};
  }

  /// @returns why @p value is no threshold or weight.
  static std::optional<fault> check_number(const json& of, const char* key, const std::string& path) {
    const auto at = of.find(key);
    if (at == of.end() || at->is_null())
      return std::nullopt;
    if (!at->is_number() || !std::isfinite(at->get<double>()) || at->get<double>() < 0)
      return wrong(path + "." + key, "expected a number of 0 or more", {});
    return std::nullopt;
  }

private:
  result<assertion> read_one(const json& from, const std::string& path, bool in_set) {
    if (!from.is_object())
      return wrong(path, "expected an assertion: a mapping with a type",
                   "for example {type: contains, value: yes}");
    const auto named = from.find("type");
    if (named == from.end() || !named->is_string())
      return wrong(path + ".type", "the assertion has no type", "known: " + names_of_types());
    assertion out;
    out.name = named->get<std::string>();
    std::string_view name = out.name;
    out.negated = name.starts_with(negation);
    if (out.negated)
      name.remove_prefix(negation.size());
    out.type = find_type(name);
    if (out.type == nullptr || (out.negated && out.type->shape == value_shape::set))
      return unknown(out.name, name, path);
    if (in_set && out.type->shape == value_shape::set)
      return wrong(path + ".type", "a set stands inside a set", "put its assertions beside the others");
    for (const char* key : {"threshold", "weight"})
      if (auto bad = check_number(from, key, path))
        return *std::move(bad);
    if (const auto at = from.find("weight"); at != from.end() && at->is_number())
      out.weight = at->get<double>();
    if (const auto at = from.find("threshold"); at != from.end() && at->is_number())
      out.threshold = at->get<double>();
    if (const auto at = from.find("metric"); at != from.end() && at->is_string())
      out.metric = at->get<std::string>();
    if (auto bad = take_value(from, path, out))
      return *std::move(bad);
    return out;
  }

  static fault unknown(const std::string& written, std::string_view name, const std::string& path) {
    if (name == "latency" || name == "cost")
      return {errc::unsupported, "`" + written + "` is about the call, which scorers do not see",
              path + ".type", "the results have every sample's time and cost; `assay gate` judges a run's"};
    if (name == "llm-rubric" || name == "g-eval" || name == "factuality" || name == "model-graded-closedqa")
      return {errc::unsupported, "`" + written + "` asks another model", path + ".type",
              "write the test as a task with the scorer judge"};
    if (name == "javascript" || name == "python" || name == "ruby" || name == "webhook")
      return {errc::unsupported, "`" + written + "` runs code of its own", path + ".type",
              "write the test as a task with the scorer python"};
    return {errc::unsupported, "no assertion is called `" + written.substr(0, 60) + "` here", path + ".type",
            "known, also with not- in front: " + names_of_types()};
  }

  std::optional<fault> take_value(const json& from, const std::string& path, assertion& out) {
    if (out.type->shape == value_shape::set) {
      const auto list = from.find("assert");
      auto members = read(list == from.end() ? json() : *list, path + ".assert", true);
      if (!members)
        return members.error();
      out.members = std::move(*members);
      return std::nullopt;
    }
    if (const auto at = from.find("value"); at != from.end())
      out.value = *at;
    const auto place = path + ".value";
    switch (out.type->shape) {
    case value_shape::any:
      if (out.value.is_null())
        return wrong(place, "the assertion " + out.name + " has no value", {});
      return std::nullopt;
    case value_shape::text:
      if (!out.value.is_primitive() || out.value.is_null())
        return wrong(place, "expected a text", {});
      return take_scorer(place, out);
    case value_shape::pattern:
      return take_pattern(place, out);
    case value_shape::texts:
      if (out.value.is_null() || out.value.is_object() || (out.texts = as_texts(out.value)).empty())
        return wrong(place, "expected a list of texts", {});
      return std::nullopt;
    case value_shape::schema:
      if (!out.value.is_null() && !out.value.is_object())
        return wrong(place, "expected a JSON Schema, or nothing", {});
      return take_scorer(place, out);
    case value_shape::set:
      break;
    }
    return std::nullopt;
  }

  static std::optional<fault> take_pattern(const std::string& place, assertion& out) {
    if (!out.value.is_string())
      return wrong(place, "expected a pattern", {});
    auto compiled = pattern::compile(out.value.get_ref<const std::string&>(), "value");
    if (!compiled) {
      auto reason = compiled.error();
      reason.where = place;
      return reason;
    }
    out.expression.emplace(std::move(*compiled));
    return std::nullopt;
  }

  static std::optional<fault> take_scorer(const std::string& place, assertion& out) {
    scorer_definition wanted;
    if (out.type->name == "is-json" || out.type->name == "contains-json") {
      wanted.type = out.type->name == "is-json" ? scorer_type::is_json : scorer_type::contains_json;
      if (!out.value.is_null())
        wanted.schema = out.value.dump(-1, ' ', false, json::error_handler_t::replace);
    } else if (out.type->name == "levenshtein") {
      wanted.type = scorer_type::levenshtein;
      wanted.variant = "distance";
      wanted.strip = false;
      wanted.threshold = out.threshold.value_or(out.type->threshold);
    } else if (out.type->name == "rouge-n") {
      wanted.type = scorer_type::rouge;
      wanted.variant = "rouge1";
    } else if (out.type->name == "bleu") {
      wanted.type = scorer_type::bleu;
    } else {
      return std::nullopt;
    }
    auto made = make_scorer(wanted);
    if (!made) {
      auto reason = made.error();
      reason.where = place;
      return reason;
    }
    out.judge = std::move(*made);
    return std::nullopt;
  }

  size_t count_ = 0;
};

bool contains(std::string_view answer, std::string_view text) {
  return answer.find(text) != std::string_view::npos;
}

bool equals(const json& value, std::string_view answer) {
  if (!value.is_structured())
    return as_text(value) == answer;
  const auto found = parse_json(answer);
  return found != nullptr && *found == value;
}

bool has_texts(const assertion& one, std::string_view answer) {
  const auto name = one.type->name;
  const bool folds = name.front() == 'i';
  const std::string folded = folds ? lower_case(answer) : std::string{};
  const std::string_view in = folds ? std::string_view(folded) : answer;
  const auto occurs = [&](const std::string& text) { return contains(in, folds ? lower_case(text) : text); };
  return name.ends_with("-all") ? std::all_of(one.texts.begin(), one.texts.end(), occurs)
                                : std::any_of(one.texts.begin(), one.texts.end(), occurs);
}

struct tally {
  double sum = 0;
  double weight = 0;
  bool all_hold = true;

  void add(const held& one, double share) {
    sum += one.score * share;
    weight += share;
    // What weighs nothing is only told about.
    all_hold = all_hold && (one.pass || share == 0);
  }
  held result(std::optional<double> threshold, bool empty) const {
    const double score = weight > 0 ? sum / weight : empty ? 1 : all_hold ? 1 : 0;
    return {score, threshold ? score >= *threshold : all_hold};
  }
};

held judge_one(const assertion& one, std::string_view answer);

held judge_plain(const assertion& one, std::string_view answer) {
  const auto name = one.type->name;
  const auto binary = [](bool holds) { return held{holds ? 1.0 : 0.0, holds}; };
  if (name == "equals")
    return binary(equals(one.value, answer));
  if (name == "contains")
    return binary(contains(answer, as_text(one.value)));
  if (name == "icontains")
    return binary(contains(lower_case(answer), lower_case(as_text(one.value))));
  if (name == "starts-with")
    return binary(answer.starts_with(as_text(one.value)));
  if (one.expression)
    return binary(one.expression->find(answer, 0, match_choice::first).has_value());
  if (one.type->shape == value_shape::texts)
    return binary(has_texts(one, answer));
  const double value = one.judge->score_filtered(answer, as_text(one.value)).value;
  if (name == "rouge-n" || name == "bleu")
    return {value, value >= one.threshold.value_or(one.type->threshold)};
  return binary(value >= 1);
}

held judge_one(const assertion& one, std::string_view answer) {
  if (one.type->shape == value_shape::set) {
    tally all;
    for (const auto& member : one.members)
      all.add(judge_one(member, answer), member.weight);
    return all.result(one.threshold, one.members.empty());
  }
  auto out = judge_plain(one, answer);
  if (one.negated)
    out = {1 - out.score, !out.pass};
  return out;
}

std::string shown(const assertion& one) {
  std::string out = one.name;
  if (one.value.is_null() || one.type->shape == value_shape::schema)
    return out;
  std::string text = as_text(one.value);
  constexpr size_t longest = 40;
  if (text.size() > longest)
    text = std::string(cut(text, longest)) + "...";
  return out + " " + text;
}

/// A list with what counts for all of it.
struct whole_list {
  std::vector<assertion> assertions;
  std::optional<double> threshold;
};

result<whole_list> read_list(std::string_view text) {
  const auto parsed = parse_json(text);
  if (!parsed || !parsed->is_object())
    return list_reader::wrong({}, "expected a JSON object with the key assert", {});
  if (auto bad = list_reader::check_number(*parsed, "threshold", "test"))
    return *std::move(bad);
  const auto list = parsed->find("assert");
  auto assertions = list_reader{}.read(list == parsed->end() ? json::array() : *list, "assert", false);
  if (!assertions)
    return assertions.error();
  whole_list out;
  out.assertions = std::move(*assertions);
  if (const auto at = parsed->find("threshold"); at != parsed->end() && at->is_number())
    out.threshold = at->get<double>();
  return out;
}

void add_metric(std::vector<std::pair<std::string, tally>>& all, const assertion& one, const held& said) {
  if (one.metric.empty())
    return;
  auto found =
      std::find_if(all.begin(), all.end(), [&](const auto& known) { return known.first == one.metric; });
  if (found == all.end())
    found = all.insert(all.end(), {one.metric, {}});
  found->second.add(said, one.weight);
}

/// @returns a text that the assertion alone accepts, as well as can be told.
std::string example_for(const assertion& one) {
  if (one.negated)
    return {};
  if (one.expression)
    return example_of(one.value.get_ref<const std::string&>(), 0, {});
  if (one.type->name.ends_with("-any"))
    return one.texts.front();
  if (one.type->shape == value_shape::texts) {
    std::string out;
    for (const auto& text : one.texts)
      out.append(out.empty() ? "" : " ").append(text);
    return out;
  }
  if (one.type->shape == value_shape::schema)
    return one.judge->right_answer(as_text(one.value));
  return as_text(one.value);
}

void collect_examples(const std::vector<assertion>& list, std::vector<std::string>& out) {
  for (const auto& one : list) {
    if (one.type->shape == value_shape::set)
      collect_examples(one.members, out);
    else if (auto text = example_for(one); !text.empty())
      out.push_back(std::move(text));
  }
}

} // namespace

result<assertion_verdict> judge_assertions(std::string_view answer, std::string_view text) {
  const auto list = read_list(text);
  if (!list)
    return fault{errc::scorer_failed, "the sample's assertions cannot be judged: " + list.error().message,
                 list.error().where, list.error().hint};
  tally all;
  std::vector<std::pair<std::string, tally>> metrics;
  size_t held_up = 0;
  std::string broken;
  for (const auto& one : list->assertions) {
    const auto said = judge_one(one, answer);
    all.add(said, one.weight);
    add_metric(metrics, one, said);
    held_up += said.pass ? 1 : 0;
    if (!said.pass)
      broken.append(broken.empty() ? ": not " : "; not ").append(shown(one));
    // A set's members have metrics of their own.
    for (const auto& member : one.members)
      add_metric(metrics, member, judge_one(member, answer));
  }
  const auto total = all.result(list->threshold, list->assertions.empty());
  assertion_verdict out;
  out.score = total.score;
  out.pass = total.pass;
  out.reason = std::to_string(held_up) + " of " + std::to_string(list->assertions.size()) + " hold" + broken;
  for (const auto& [name, sums] : metrics)
    out.metrics.emplace_back(name, sums.result(std::nullopt, false).score);
  return out;
}

std::optional<fault> check_assertions(std::string_view text) {
  const auto list = read_list(text);
  return list ? std::nullopt : std::optional(list.error());
}

std::vector<std::string> answers_for(std::string_view text) {
  const auto list = read_list(text);
  std::vector<std::string> parts;
  if (list)
    collect_examples(list->assertions, parts);
  std::string joined;
  for (const auto& part : parts)
    joined.append(joined.empty() ? "" : " ").append(part);
  std::vector<std::string> out{joined};
  out.insert(out.end(), parts.begin(), parts.end());
  return out;
}

std::vector<std::string_view> assertion_types() {
  std::vector<std::string_view> out;
  for (const auto& type : known_types)
    out.push_back(type.name);
  return out;
}

} // namespace assay::scoring
