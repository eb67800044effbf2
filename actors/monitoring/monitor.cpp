#include "actors/monitoring/monitor.hpp"

namespace assay {

namespace {

void count(monitor_state::model_counters& counters, const call_observation& call) {
  auto& totals = counters.totals;
  totals.model = call.model;
  totals.provider = call.provider;
  ++totals.calls;
  totals.retries += call.tries > 0 ? call.tries - 1U : 0U;
  if (call.error) {
    ++totals.failures;
    ++totals.errors[std::string{to_string(*call.error)}];
  }
  totals.prompt_tokens += call.usage.prompt_tokens;
  totals.completion_tokens += call.usage.completion_tokens;
  if (call.cost)
    totals.cost += *call.cost;
  else if (!call.error)
    totals.cost_known = false;
  counters.latency.record(call.duration);
}

model_statistics summarise(const monitor_state::model_counters& counters) {
  const auto as_ms = [](microseconds value) { return static_cast<double>(value.count()) / 1000.0; };
  auto totals = counters.totals;
  totals.latency_mean_ms = as_ms(counters.latency.mean());
  totals.latency_p50_ms = as_ms(counters.latency.percentile(0.50));
  totals.latency_p95_ms = as_ms(counters.latency.percentile(0.95));
  totals.latency_p99_ms = as_ms(counters.latency.percentile(0.99));
  return totals;
}

} // namespace

monitor_actor::behavior_type monitor(monitor_actor::stateful_pointer<monitor_state> self) {
  return {
      [self](const observe_calls& message) {
        for (const auto& call : message.calls)
          count(self->state.models[call.model], call);
      },
      [self](const read_statistics&) {
        statistics out;
        for (const auto& [model, counters] : self->state.models)
          out.models.push_back(summarise(counters));
        return out;
      },
  };
}

} // namespace assay
