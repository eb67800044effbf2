#include "config/checks.hpp"

#include "config/models.hpp"
#include "config/scalars.hpp"
#include "core/experiments/ab_test.hpp"
#include "core/values/loopback.hpp"

#include <nlohmann/json.hpp>

#include <array>
#include <cmath>

namespace assay::config {

namespace {

using nlohmann::json;

/// The password of the documents' own examples.
constexpr std::string_view demo_password = "admin123";

std::string where(const node& tree, std::string_view path) {
  const auto* found = at_path(tree, path);
  return found == nullptr ? std::string(path) : to_string(found->at) + " " + std::string(path);
}

bool is_error_word(std::string_view word) {
  if (word == "default")
    return true;
  for (const auto known : {retry_class::never, retry_class::transient, retry_class::wait,
                           retry_class::other_key, retry_class::other_provider})
    if (to_string(known) == word)
      return true;
  return to_string(errc_from_string(word)) == word;
}

result<void> check_rules(const node& tree, const settings& values) {
  const auto* list = at_path(tree, "retry.rules");
  for (size_t i = 0; i < values.retry.rules.size(); ++i) {
    const auto& rule = values.retry.rules[i];
    const auto path = "retry.rules[" + std::to_string(i) + "]";
    const auto place = list == nullptr ? path : to_string(list->items.at(i).at) + " " + path;
    if (!is_error_word(rule.error))
      return fault{errc::invalid_argument, "`" + rule.error + "` is no error that can be retried",
                   place + ".error",
                   "an error code such as provider_timeout, the class transient, or default"};
    if (rule.cap < rule.base)
      return fault{errc::invalid_argument, "the longest wait is shorter than the first", place + ".cap", ""};
  }
  return {};
}

std::string place_of(const node& tree, std::string_view group, const std::string& name) {
  const auto* all = tree.find(group);
  const auto* one = all == nullptr ? nullptr : all->find(name);
  const auto path = std::string(group) + "." + name;
  return one == nullptr ? path : to_string(one->at) + " " + path;
}

/// @returns why the shares do not fit the variants, or an empty text.
std::string wrong_split(const json& variants, const json& split) {
  double sum = 0;
  for (const auto& [name, share] : split.items()) {
    if (!variants.contains(name))
      return "traffic_split names `" + name + "`, which is no variant";
    if (!share.is_number() || share.get<double>() < 0)
      return "the share of `" + name + "` is no number of at least 0";
    sum += share.get<double>();
  }
  for (const auto& [name, changes] : variants.items())
    if (!split.contains(name))
      return "traffic_split leaves out the variant `" + name + "`";
  constexpr double tolerance = 0.01;
  return std::abs(sum - 1) > tolerance ? "the shares of traffic_split do not add up to 1" : "";
}

/// @returns the test as JSON text.
result<std::string> checked_ab_test(const written_ab_test& test, const std::string& place) {
  const auto variants = json::parse(test.variants.text.empty() ? "{}" : test.variants.text);
  if (variants.size() < 2)
    return fault{errc::invalid_argument, "an A/B test needs at least two variants", place + ".variants", ""};
  for (const auto& [name, changes] : variants.items())
    if (!changes.is_object())
      return fault{errc::invalid_argument, "expected a group of keys", (place + ".variants.").append(name),
                   ""};
  json out{{"description", test.description},
           {"base_model", test.base_model},
           {"variants", variants},
           {"success_metric", test.success_metric}};
  if (!test.traffic_split.text.empty()) {
    const auto split = json::parse(test.traffic_split.text);
    if (auto wrong = wrong_split(variants, split); !wrong.empty())
      return fault{errc::invalid_argument, std::move(wrong), place + ".traffic_split", ""};
    out["traffic_split"] = split;
  }
  if (test.minimum_samples)
    out["minimum_samples"] = *test.minimum_samples;
  if (test.confidence_level)
    out["confidence_level"] = *test.confidence_level;
  if (test.max_duration_hours)
    out["max_duration_hours"] = *test.max_duration_hours;
  if (test.base_model.empty())
    out.erase("base_model");
  // The same rules as for a test that is created over HTTP.
  if (auto read = experiments::ab_test_from_json(out, test.id); !read) {
    auto reason = read.error();
    reason.where = place + (reason.where.empty() ? "" : "." + reason.where);
    return reason;
  }
  return out.dump(-1, ' ', false, json::error_handler_t::replace);
}

void warn_about_unknown(const std::string& model, const std::string& user, settings& out) {
  const auto found = resolve_model(out, model);
  if (!found)
    out.warnings.push_back(user + ": " + found.error().message
                           + (found.error().hint.empty() ? "" : " (" + found.error().hint + ")"));
}

} // namespace

result<void> check_settings(const node& tree, const settings& values) {
  const auto& tls = values.server.tls;
  if (tls.cert_file.empty() != tls.key_file.empty())
    return fault{errc::invalid_argument, "TLS needs both a certificate and its key",
                 where(tree, "server.tls"), "set server.tls.cert and server.tls.key, or neither"};
  if (values.auth.admin_password.reveal() == demo_password && !is_loopback_host(values.server.host))
    return fault{errc::invalid_argument,
                 "the password of the documentation may only be used by a server that listens on loopback",
                 where(tree, "auth.admin_password"), "choose another password, or host 127.0.0.1"};
  return check_rules(tree, values);
}

result<void> take_evaluations(const document& written, const node& tree, settings& out) {
  for (const auto& one : written.evaluations) {
    const auto place = place_of(tree, "evaluations", one.id);
    if (one.models.empty() || one.tasks.empty())
      return fault{errc::invalid_argument, "an evaluation needs models and tasks", place, ""};
    for (const auto& model : one.models)
      warn_about_unknown(model, "evaluation " + one.id, out);
    out.evaluations.push_back({one.id, one.description, one.models, one.tasks,
                               one.configuration.text.empty() ? "{}" : one.configuration.text});
  }
  auto tests = json::object();
  for (const auto& one : written.ab_tests) {
    auto checked = checked_ab_test(one, place_of(tree, "ab_tests", one.id));
    if (!checked)
      return checked.error();
    if (!one.base_model.empty())
      warn_about_unknown(one.base_model, "A/B test " + one.id, out);
    tests[one.id] = json::parse(*checked);
  }
  out.ab_tests_json = tests.dump(-1, ' ', false, json::error_handler_t::replace);
  return {};
}

} // namespace assay::config
