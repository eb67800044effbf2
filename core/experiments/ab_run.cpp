#include "core/experiments/ab_run.hpp"

#include "core/values/json_fields.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace assay::experiments {

using json = nlohmann::json;

bool ab_run::is_done() const noexcept {
  return std::ranges::all_of(arms, [](const ab_arm& arm) { return arm.done; });
}

namespace {

std::optional<fault> cannot_have(const run_request& request) {
  const auto wrong = [](const char* where, const char* why) {
    return fault{errc::invalid_argument, why, where, "leave it out"};
  };
  if (!request.output_path.empty())
    return wrong("output_path", "the runs of a test write no files");
  if (!request.depends_on.empty())
    return wrong("depends_on", "the runs of a test wait for no others");
  if (request.stop_when)
    return wrong("early_stopping", "a test ends its runs by its own rule");
  if (request.predict_only)
    return wrong("predict_only", "a test needs scores");
  if (request.dry_run)
    return wrong("dry_run", "a test has no plan; ask for that of an evaluation");
  return std::nullopt;
}

} // namespace

result<run_request> request_of_variant(const ab_test& test, size_t variant, const json& wish) {
  if (!test.paired)
    return fault{errc::invalid_argument, "a test that runs by itself gives every sample to every variant",
                 "paired", "create the test with paired: true"};
  if (!wish.is_object())
    return fault{errc::malformed_input, "must be a JSON object", "body", {}};
  const auto& chosen = test.variants.at(variant);
  auto body = wish;
  body.erase("request_id");
  const auto configuration = json::parse(chosen.configuration, nullptr, false);
  for (const auto& [key, value] : configuration.items()) {
    // It is the test's, for performance_score.
    if (key == "target_response_time")
      continue;
    if (body.contains(key))
      return fault{errc::invalid_argument, "is given by the variant '" + chosen.name + "' too", key,
                   "say it in one place"};
    body[key] = value;
  }
  // Drawn seeds would differ from variant to variant, and so would the examples that are shown.
  if (!body.contains("random_seed"))
    body["random_seed"] = 0;
  auto out = run_request_from_json(body);
  std::optional<fault> wrong;
  if (!out)
    wrong = out.error();
  else
    wrong = cannot_have(*out);
  if (!wrong)
    return out;
  wrong->message = "variant '" + chosen.name + "': " + wrong->message;
  return *wrong;
}

json observation_of_sample(const variant& of, const std::string& task, const sample_record& sample,
                           std::span<const std::string> scorers, std::optional<double> quality) {
  const auto share = [](double value) { return std::clamp(value, 0.0, 1.0); };
  json scores = json::object();
  for (const auto& one : sample.scores)
    if (one.scorer < scorers.size())
      scores[scorers[one.scorer]] = share(one.value);
  // Variants may have prompts of their own, so the unit has the prompt's place and not its name.
  auto unit = task + "/" + std::to_string(sample.address.variant) + "/"
              + std::to_string(sample.address.sample) + "/" + std::to_string(sample.address.epoch);
  if (unit.size() > longest_unit)
    unit.erase(0, unit.size() - longest_unit);
  json out{{"variant", of.name},
           {"unit", std::move(unit)},
           {"success", sample.status == sample_status::scored},
           {"scores", std::move(scores)}};
  if (quality)
    out["quality"] = share(*quality);
  if (sample.status == sample_status::scored)
    out["response_time"] = static_cast<double>(sample.duration.count()) / 1000;
  if (sample.cost)
    out["cost"] = to_dollars(*sample.cost);
  return out;
}

json run_json(const ab_test& test, const ab_run& run, bool ended) {
  json runs = json::object();
  uint64_t planned = 0;
  uint64_t observed = 0;
  double cost = 0;
  bool priced = true;
  for (size_t i = 0; i < run.arms.size(); ++i) {
    const auto& arm = run.arms[i];
    runs[test.variants[i].name] = arm.run.empty() ? json(nullptr) : json(to_string(arm.run));
    planned += arm.planned;
    observed += arm.observed;
    const auto left = arm.planned - std::min(arm.planned, arm.observed);
    priced = priced && (arm.costed > 0 || left == 0);
    if (arm.costed > 0)
      cost += arm.cost / static_cast<double>(arm.costed) * static_cast<double>(left);
  }
  json out{{"runs", std::move(runs)}, {"planned", planned}, {"observed", observed}};
  out["samples_saved"] = ended ? json(planned - std::min(planned, observed)) : json(nullptr);
  out["cost_saved"] = ended && priced ? json(cost) : json(nullptr);
  return out;
}

void to_json(json& out, const ab_run& run) {
  auto arms = json::array();
  for (const auto& arm : run.arms)
    arms.push_back({{"run", arm.run.empty() ? std::string{} : to_string(arm.run)},
                    {"planned", arm.planned},
                    {"observed", arm.observed},
                    {"last_seq", arm.last_seq},
                    {"done", arm.done},
                    {"cost", arm.cost},
                    {"costed", arm.costed}});
  out = json{{"wish", run.wish}, {"arms", std::move(arms)}, {"api_key", run.api_key}};
  json_fields::write(out, "key_budget_nanodollars", run.key_budget);
}

void from_json(const json& in, ab_run& out) {
  json_fields::read(in, "wish", out.wish);
  json_fields::read(in, "api_key", out.api_key);
  json_fields::read(in, "key_budget_nanodollars", out.key_budget);
  for (const auto& from : in.at("arms")) {
    auto& arm = out.arms.emplace_back();
    std::string run;
    json_fields::read(from, "run", run);
    arm.run = run_id_from_string(run).value_or(run_id{});
    json_fields::read(from, "planned", arm.planned);
    json_fields::read(from, "observed", arm.observed);
    json_fields::read(from, "last_seq", arm.last_seq);
    json_fields::read(from, "done", arm.done);
    json_fields::read(from, "cost", arm.cost);
    json_fields::read(from, "costed", arm.costed);
  }
}

} // namespace assay::experiments
