#include "core/monitoring/call_tally.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cmath>

namespace assay::monitoring {

namespace {

using json = nlohmann::json;

constexpr std::array phases{&call_timing::queued,     &call_timing::limiter,  &call_timing::connect,
                            &call_timing::first_byte, &call_timing::transfer, &call_timing::local_lag};

json latency_json(const stats::latency_histogram& latency) {
  const auto parts = latency.take_apart();
  return {{"sum", parts.sum_microseconds},
          {"min", parts.minimum.count()},
          {"max", parts.maximum.count()},
          {"buckets", parts.buckets}};
}

std::optional<stats::latency_histogram> latency_from(const json& in) {
  stats::latency_histogram::parts parts;
  in.at("sum").get_to(parts.sum_microseconds);
  parts.minimum = microseconds{in.at("min").get<int64_t>()};
  parts.maximum = microseconds{in.at("max").get<int64_t>()};
  in.at("buckets").get_to(parts.buckets);
  return stats::latency_histogram::put_together(parts);
}

std::optional<call_tally> tally_from(const json& in) {
  call_tally out;
  in.at("calls").get_to(out.calls);
  in.at("failures").get_to(out.failures);
  in.at("retries").get_to(out.retries);
  in.at("external").get_to(out.external);
  for (const auto& [name, count] : in.at("errors").items())
    out.errors[errc_from_string(name)] += count.get<uint64_t>();
  in.at("prompt_tokens").get_to(out.prompt_tokens);
  in.at("completion_tokens").get_to(out.completion_tokens);
  in.at("cost").get_to(out.cost.nanodollars);
  in.at("unpriced").get_to(out.unpriced);
  in.at("judged").get_to(out.judged);
  in.at("quality_sum").get_to(out.quality_sum);
  in.at("judged_priced").get_to(out.judged_priced);
  in.at("priced_quality_sum").get_to(out.priced_quality_sum);
  in.at("judged_cost").get_to(out.judged_cost.nanodollars);
  in.at("timed").get_to(out.timed);
  const auto& spent = in.at("time_spent");
  for (size_t i = 0; i < phases.size(); ++i)
    out.time_spent.*phases[i] = microseconds{spent.at(i).get<int64_t>()};
  auto latency = latency_from(in.at("latency"));
  if (!latency || latency->count() > out.calls)
    return std::nullopt;
  out.latency = std::move(*latency);
  return out;
}

} // namespace

void call_tally::add(const counted_call& call) {
  ++calls;
  retries += call.tries > 0 ? call.tries - 1U : 0U;
  external += call.external ? 1 : 0;
  if (call.error) {
    failures += blames_caller(*call.error) ? 0 : 1;
    ++errors[*call.error];
  }
  prompt_tokens += call.usage.prompt_tokens;
  completion_tokens += call.usage.completion_tokens;
  if (call.cost)
    cost += *call.cost;
  else if (!call.error)
    ++unpriced;
  if (call.timing && !call.batched) {
    ++timed;
    for (const auto phase : phases)
      time_spent.*phase += *call.timing.*phase;
  }
  if (!call.batched)
    latency.record(call.duration);
  if (call.quality)
    add_quality(*call.quality, call.cost);
}

void call_tally::add_quality(double quality, std::optional<money> call_cost) {
  const auto value = std::isfinite(quality) ? std::clamp(quality, 0.0, 1.0) : 0.0;
  ++judged;
  quality_sum += value;
  if (!call_cost)
    return;
  ++judged_priced;
  priced_quality_sum += value;
  judged_cost += *call_cost;
}

void call_tally::merge(const call_tally& other) {
  calls += other.calls;
  failures += other.failures;
  retries += other.retries;
  external += other.external;
  for (const auto& [error, count] : other.errors)
    errors[error] += count;
  prompt_tokens += other.prompt_tokens;
  completion_tokens += other.completion_tokens;
  cost += other.cost;
  unpriced += other.unpriced;
  judged += other.judged;
  quality_sum += other.quality_sum;
  judged_priced += other.judged_priced;
  priced_quality_sum += other.priced_quality_sum;
  judged_cost += other.judged_cost;
  timed += other.timed;
  for (const auto phase : phases)
    time_spent.*phase += other.time_spent.*phase;
  latency.merge(other.latency);
}

std::string to_text(const call_tally& tally) {
  json errors = json::object();
  for (const auto& [error, count] : tally.errors)
    errors[std::string(to_string(error))] = count;
  json spent = json::array();
  for (const auto phase : phases)
    spent.push_back((tally.time_spent.*phase).count());
  const json out{{"calls", tally.calls},
                 {"failures", tally.failures},
                 {"retries", tally.retries},
                 {"external", tally.external},
                 {"errors", std::move(errors)},
                 {"prompt_tokens", tally.prompt_tokens},
                 {"completion_tokens", tally.completion_tokens},
                 {"cost", tally.cost.nanodollars},
                 {"unpriced", tally.unpriced},
                 {"judged", tally.judged},
                 {"quality_sum", tally.quality_sum},
                 {"judged_priced", tally.judged_priced},
                 {"priced_quality_sum", tally.priced_quality_sum},
                 {"judged_cost", tally.judged_cost.nanodollars},
                 {"timed", tally.timed},
                 {"time_spent", std::move(spent)},
                 {"latency", latency_json(tally.latency)}};
  return out.dump();
}

std::optional<call_tally> tally_from_text(std::string_view text) {
  const auto parsed = json::parse(text, nullptr, false);
  if (!parsed.is_object())
    return std::nullopt;
  try {
    return tally_from(parsed);
  } catch (const json::exception&) {
    // Written by another version, or damaged: the caller says so and goes on without it.
    return std::nullopt;
  }
}

} // namespace assay::monitoring
