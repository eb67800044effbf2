#include "core/values/metrics.hpp"
#include "server/health.hpp"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <limits>
#include <utility>

namespace assay::server {

namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using values = std::vector<std::string>;

MetricType type_of(metric_kind kind) noexcept {
  switch (kind) {
  case metric_kind::gauge:
    return MetricType::Gauge;
  case metric_kind::counter:
    return MetricType::Counter;
  case metric_kind::histogram:
    return MetricType::Histogram;
  case metric_kind::summary:
    return MetricType::Summary;
  }
  return MetricType::Untyped;
}

/// One scrape: every family of the table, with the samples that there are.
class scrape {
public:
  scrape() {
    for (const auto& known : metric_families()) {
      MetricFamily family;
      family.name = "assay_" + std::string(known.name);
      family.help = known.help;
      family.type = type_of(known.kind);
      families_.push_back(std::move(family));
    }
  }

  /// @param labels Values, in the order of the family's label names.
  ClientMetric& add(metric id, const values& labels = {}) {
    const auto& known = family_of(id);
    auto& sample = families_[static_cast<size_t>(id)].metric.emplace_back();
    for (size_t i = 0; i < std::min(labels.size(), known.label_count()); ++i) {
      ClientMetric::Label label;
      label.name = known.labels[i];
      label.value = labels[i];
      sample.label.push_back(std::move(label));
    }
    return sample;
  }

  void set(metric id, double value, const values& labels = {}) {
    auto& sample = add(id, labels);
    if (family_of(id).kind == metric_kind::counter)
      sample.counter.value = value;
    else
      sample.gauge.value = value;
  }

  std::string text() const { return prometheus::TextSerializer{}.Serialize(families_); }

private:
  std::vector<MetricFamily> families_; ///< In the order of the table.
};

void add_durations(scrape& out, const edge_counters& counters) {
  auto& histogram = out.add(metric::http_request_duration_seconds).histogram;
  uint64_t sum = 0;
  for (size_t i = 0; i < counters.durations.size(); ++i) {
    sum += counters.durations[i];
    ClientMetric::Bucket bucket;
    bucket.cumulative_count = sum;
    bucket.upper_bound = i < edge_counters::duration_bounds.size() ? edge_counters::duration_bounds[i]
                                                                   : std::numeric_limits<double>::infinity();
    histogram.bucket.push_back(bucket);
  }
  histogram.sample_count = sum;
  histogram.sample_sum = counters.duration_sum;
}

void add_edge(scrape& out, const edge_counters& counters) {
  const auto count = [&](metric id, uint64_t number) { out.set(id, static_cast<double>(number)); };
  for (size_t i = 1; i < counters.requests_by_class.size(); ++i)
    out.set(metric::http_requests_total, static_cast<double>(counters.requests_by_class[i]),
            {std::to_string(i) + "xx"});
  add_durations(out, counters);
  count(metric::http_connections_open, counters.connections_open);
  count(metric::http_connections_accepted_total, counters.connections_accepted);
  count(metric::http_connections_refused_total, counters.connections_refused);
  count(metric::web_sockets_open, counters.web_sockets_open);
  count(metric::web_sockets_overflowed_total, counters.web_sockets_overflowed);
  count(metric::web_socket_frames_total, counters.frames_sent);
}

void add_store(scrape& out, const storage::store& store) {
  const auto readers = store.readers();
  out.set(metric::store_snapshots_open, static_cast<double>(readers.open));
  out.set(metric::store_oldest_snapshot_seconds, std::chrono::duration<double>(readers.oldest_age).count());
  out.set(metric::store_snapshots_expired_total, static_cast<double>(readers.expired));
}

void add_farm(scrape& out, const result<gauges>& heard) {
  out.set(metric::up, heard && !heard->silent.contains("run_supervisor") ? 1 : 0);
  if (!heard)
    return;
  for (const auto& one : heard->values)
    out.set(one.family, one.value, one.labels);
  for (const auto& [kind, number] : heard->silent)
    out.set(metric::actors_silent, number, {kind});
}

void add_model(scrape& out, const model_statistics& model) {
  const auto& provider = model.provider.value;
  const auto& name = model.model.value;
  const auto count = [&](metric id, uint64_t number) {
    out.set(id, static_cast<double>(number), {provider, name});
  };
  count(metric::calls_total, model.calls);
  count(metric::call_failures_total, model.failures);
  count(metric::call_retries_total, model.retries);
  for (const auto& [error, number] : model.errors)
    out.set(metric::call_errors_total, static_cast<double>(number), {provider, name, error});
  out.set(metric::tokens_total, static_cast<double>(model.prompt_tokens), {provider, name, "prompt"});
  out.set(metric::tokens_total, static_cast<double>(model.completion_tokens), {provider, name, "completion"});
  out.set(metric::cost_dollars_total, to_dollars(model.cost), {provider, name});
  const auto timed = model.calls - std::min(model.batched, model.calls);
  if (timed == 0)
    return;
  auto& summary = out.add(metric::call_duration_seconds, {provider, name}).summary;
  summary.sample_count = timed;
  summary.sample_sum = model.latency_mean_ms / 1000.0 * static_cast<double>(timed);
  for (const auto& [quantile, milliseconds_taken] :
       {std::pair{0.5, model.latency_p50_ms}, std::pair{0.95, model.latency_p95_ms},
        std::pair{0.99, model.latency_p99_ms}}) {
    ClientMetric::Quantile one;
    one.quantile = quantile;
    one.value = milliseconds_taken / 1000.0;
    summary.quantile.push_back(one);
  }
}

} // namespace

boost::asio::awaitable<std::string> metrics_text(edge_services& edge) {
  scrape out;
  out.set(metric::build_info, 1, {edge.options.version});
  out.set(metric::uptime_seconds,
          std::chrono::duration<double>(edge.options.time.steady() - edge.started_at).count());
  add_edge(out, edge.counters);
  add_store(out, *edge.store);
  const auto farm = co_await edge.farm.read_gauges();
  add_farm(out, farm);
  const auto models = co_await edge.farm.read_statistics();
  if (!models && farm && !farm->silent.contains("monitor"))
    out.set(metric::actors_silent, 1, {"monitor"});
  if (models)
    for (const auto& one : models->models)
      add_model(out, one);
  co_return out.text();
}

} // namespace assay::server
