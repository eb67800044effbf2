#include "core/gate/policy.hpp"

#include "core/tasks/yaml_fields.hpp"

#include <algorithm>

namespace assay::gate {
namespace {

using tasks::yaml_faults;
using tasks::yaml_fields;

constexpr size_t file_limit = 1 << 20;
constexpr double most_dollars = 1e9;
constexpr std::string_view checks[] = {"at_least", "not_worse_than", "max_cost", "max_error_rate"};

struct defaults {
  double confidence = 0.95;
  uint64_t min_samples = 0;
};

/// 0, or more than a coin knows.
double read_confidence(const yaml_fields& fields, double otherwise) {
  const auto value = fields.number("confidence", 0, 0.999999);
  if (!value)
    return otherwise;
  if (*value != 0 && *value <= 0.5)
    fields.wrong("confidence", "expected 0, or a number above 0.5",
                 "0.95 is usual; 0 lets the number itself decide");
  return *value;
}

uint64_t read_min_samples(const yaml_fields& fields, uint64_t otherwise) {
  const auto value = fields.integer("min_samples", 1, 1'000'000'000);
  return value ? static_cast<uint64_t>(*value) : otherwise;
}

std::string usual_name(const rule& of) {
  const auto place =
      (of.task.empty() ? "" : " of " + of.task) + (of.prompt_type.empty() ? "" : " with " + of.prompt_type);
  switch (of.kind) {
  case rule_kind::at_least:
    return of.metric + place + " reaches its bound";
  case rule_kind::not_worse_than:
    return of.metric + place + " is not worse than the baseline's";
  case rule_kind::max_cost:
    return "cost";
  case rule_kind::max_error_rate:
    return "error rate";
  }
  return "rule";
}

void read_check(const yaml_fields& fields, std::string_view check, rule& into) {
  if (check == "at_least") {
    into.kind = rule_kind::at_least;
    into.bound = fields.number(check, -1e15, 1e15).value_or(0);
  } else if (check == "max_cost") {
    into.kind = rule_kind::max_cost;
    into.bound = fields.number(check, 0, most_dollars).value_or(0);
  } else if (check == "max_error_rate") {
    into.kind = rule_kind::max_error_rate;
    into.bound = fields.number(check, 0, 1).value_or(0);
  } else {
    into.kind = rule_kind::not_worse_than;
    if (fields.text(check) != "baseline")
      fields.wrong(check, "expected `baseline`, found " + tasks::describe(fields.get(check)),
                   "--baseline says which run that is");
    if (!fields.has("margin"))
      fields.wrong(check, "needs a margin", "add `margin: 0.02`: how much worse is still good enough");
    into.bound = fields.number("margin", 0, 1e15).value_or(0);
  }
}

bool is_about_scores(rule_kind kind) noexcept {
  return kind == rule_kind::at_least || kind == rule_kind::not_worse_than;
}

/// What only some rules have.
void check_fit(const yaml_fields& fields, const rule& of) {
  for (const std::string_view key : {"metric", "task", "prompt_type", "confidence"})
    if (!is_about_scores(of.kind) && fields.has(key))
      fields.wrong(key, "means nothing for a rule about the whole run", "leave it out");
  if (of.kind == rule_kind::max_cost && fields.has("min_samples"))
    fields.wrong("min_samples", "means nothing for a rule about the whole run", "leave it out");
  if (of.kind != rule_kind::not_worse_than && fields.has("margin"))
    fields.wrong("margin", "belongs to not_worse_than", "leave it out");
}

rule read_rule(const YAML::Node& node, size_t place, const defaults& usual, yaml_faults& faults) {
  rule out;
  const yaml_fields fields(node, "rules[" + std::to_string(place) + "]", faults,
                           {"name", "metric", "task", "prompt_type", "at_least", "not_worse_than", "margin",
                            "confidence", "min_samples", "max_cost", "max_error_rate"});
  if (!faults.empty())
    return out;
  std::vector<std::string_view> given;
  for (const auto check : checks)
    if (fields.has(check))
      given.push_back(check);
  if (given.empty()) {
    faults.add(node.Mark(), "rules[" + std::to_string(place) + "]", "checks nothing",
               "add at_least, not_worse_than, max_cost or max_error_rate");
    return out;
  }
  if (given.size() > 1) {
    fields.wrong(given[1], "a rule checks one thing, and this one has " + std::string(given[0]) + " too",
                 "make two rules of it");
    return out;
  }
  read_check(fields, given.front(), out);
  out.metric = fields.text("metric", "score");
  out.task = fields.text("task");
  out.prompt_type = fields.text("prompt_type");
  out.confidence = read_confidence(fields, usual.confidence);
  out.min_samples = read_min_samples(fields, out.kind == rule_kind::max_cost ? 0 : usual.min_samples);
  check_fit(fields, out);
  out.name = fields.text("name");
  if (out.name.empty())
    out.name = usual_name(out);
  return out;
}

/// Of the mistakes of a file, whether its reader keeps one or all of them.
template <class Faults>
fault first_of(const Faults& faults) {
  if constexpr (requires { faults.first(); })
    return *faults.first();
  else
    return faults.all().front();
}

policy read_policy(const YAML::Node& node, yaml_faults& faults) {
  policy out;
  const yaml_fields fields(node, "", faults, {"name", "confidence", "min_samples", "rules"});
  if (!faults.empty())
    return out;
  out.name = fields.text("name", "gate");
  const defaults usual{read_confidence(fields, 0.95), read_min_samples(fields, 0)};
  const YAML::Node rules = fields.get("rules");
  if (!rules.IsDefined() || !rules.IsSequence() || rules.size() == 0) {
    fields.wrong("rules", "expected a list of rules, found " + tasks::describe(rules),
                 "write `- at_least: 0.8` lines below `rules:`");
    return out;
  }
  for (size_t i = 0; i < rules.size(); ++i)
    out.rules.push_back(read_rule(rules[i], i, usual, faults));
  return out;
}

} // namespace

bool policy::needs_baseline() const noexcept {
  return std::any_of(rules.begin(), rules.end(),
                     [](const rule& one) { return one.kind == rule_kind::not_worse_than; });
}

result<policy> parse_policy(std::string_view yaml, std::string_view file_name) {
  if (yaml.size() > file_limit)
    return fault{errc::too_large, "the policy is over 1 MiB", std::string(file_name), {}};
  yaml_faults faults{std::string(file_name)};
  policy out;
  try {
    out = read_policy(YAML::Load(std::string(yaml)), faults);
  } catch (const YAML::Exception& error) {
    return fault{errc::malformed_input, "not valid YAML: " + error.msg,
                 std::string(file_name) + ":" + std::to_string(error.mark.line + 1),
                 "check indentation, colons and quotes on this line"};
  }
  if (!faults.empty())
    return first_of(faults);
  return out;
}

} // namespace assay::gate
