#include "server/health.hpp"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <limits>
#include <map>
#include <utility>

namespace assay::server {

namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using labels = std::vector<std::pair<std::string, std::string>>;

/// Families by name, so that all samples of one stand together.
class collection {
public:
  void gauge(const std::string& name, const char* help, double value, const labels& named = {}) {
    add(name, help, MetricType::Gauge, named).gauge.value = value;
  }
  void counter(const std::string& name, const char* help, double value, const labels& named = {}) {
    add(name, help, MetricType::Counter, named).counter.value = value;
  }
  ClientMetric& add(const std::string& name, const char* help, MetricType type, const labels& named) {
    auto& one = families_[name];
    one.name = "assay_" + name;
    one.help = help;
    one.type = type;
    auto& metric = one.metric.emplace_back();
    for (const auto& [key, value] : named) {
      ClientMetric::Label label;
      label.name = key;
      label.value = value;
      metric.label.push_back(std::move(label));
    }
    return metric;
  }

  std::string text() const {
    std::vector<MetricFamily> all;
    for (const auto& [name, one] : families_)
      all.push_back(one);
    return prometheus::TextSerializer{}.Serialize(all);
  }

private:
  std::map<std::string, MetricFamily> families_;
};

/// Names come from actors; what Prometheus does not allow in one becomes '_'.
std::string metric_name(std::string name) {
  for (auto& c : name)
    if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'))
      c = '_';
  return name;
}

void add_edge(collection& out, const edge_counters& counters) {
  for (size_t i = 1; i < counters.requests_by_class.size(); ++i)
    out.counter("http_requests_total", "Requests answered, by class of status",
                static_cast<double>(counters.requests_by_class[i]), {{"class", std::to_string(i) + "xx"}});
  auto& histogram = out.add("http_request_seconds", "Time from the head of a request to its answer",
                            MetricType::Histogram, {})
                        .histogram;
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
  out.gauge("http_connections_open", "Open connections", static_cast<double>(counters.connections_open));
  out.counter("http_connections_total", "Connections accepted",
              static_cast<double>(counters.connections_accepted));
  out.counter("http_connections_refused_total", "Connections over a limit",
              static_cast<double>(counters.connections_refused));
  out.gauge("web_sockets_open", "Open WebSockets", static_cast<double>(counters.web_sockets_open));
  out.counter("web_sockets_overflowed_total", "WebSockets closed because they read too slowly",
              static_cast<double>(counters.web_sockets_overflowed));
  out.counter("web_socket_frames_total", "Frames written", static_cast<double>(counters.frames_sent));
}

void add_model(collection& out, const model_statistics& model) {
  const labels named{{"model", model.model.value}, {"provider", model.provider.value}};
  const auto with = [&](const char* key, std::string value) {
    auto more = named;
    more.emplace_back(key, std::move(value));
    return more;
  };
  out.counter("calls_total", "Calls to the model that ended", static_cast<double>(model.calls), named);
  out.counter("call_failures_total", "Calls that failed after all tries", static_cast<double>(model.failures),
              named);
  out.counter("call_retries_total", "Tries after the first", static_cast<double>(model.retries), named);
  for (const auto& [error, count] : model.errors)
    out.counter("call_errors_total", "Failed calls by error", static_cast<double>(count),
                with("error", error));
  out.counter("tokens_total", "Tokens, as the provider counted them",
              static_cast<double>(model.prompt_tokens), with("kind", "prompt"));
  out.counter("tokens_total", "Tokens, as the provider counted them",
              static_cast<double>(model.completion_tokens), with("kind", "completion"));
  out.counter("cost_dollars_total", "What the calls cost, as far as prices are known", to_dollars(model.cost),
              named);
  auto& summary = out.add("call_seconds", "Time of a call", MetricType::Summary, named).summary;
  summary.sample_count = model.calls;
  summary.sample_sum = model.latency_mean_ms / 1000.0 * static_cast<double>(model.calls);
  for (const auto& [quantile, value] :
       {std::pair{0.5, model.latency_p50_ms}, std::pair{0.95, model.latency_p95_ms},
        std::pair{0.99, model.latency_p99_ms}}) {
    ClientMetric::Quantile one;
    one.quantile = quantile;
    one.value = value / 1000.0;
    summary.quantile.push_back(one);
  }
}

} // namespace

boost::asio::awaitable<std::string> metrics_text(edge_services& edge) {
  collection out;
  out.gauge("info", "Always 1; the version is in the label", 1, {{"version", edge.options.version}});
  out.gauge("uptime_seconds", "Since the start",
            std::chrono::duration<double>(edge.options.time.steady() - edge.started_at).count());
  add_edge(out, edge.counters);
  const auto readers = edge.store->readers();
  out.gauge("store_snapshots_open", "Open snapshots of the store", static_cast<double>(readers.open));
  out.gauge("store_oldest_snapshot_seconds", "Age of the oldest open snapshot",
            std::chrono::duration<double>(readers.oldest_age).count());
  out.counter("store_snapshots_expired_total", "Snapshots ended because they were too old",
              static_cast<double>(readers.expired));
  auto counts = co_await edge.farm.count();
  out.gauge("up", "1 when the farm answers", counts ? 1 : 0);
  if (counts) {
    out.gauge("evaluations", "Evaluations now, by state", counts->queued, {{"state", "queued"}});
    out.gauge("evaluations", "Evaluations now, by state", counts->active, {{"state", "active"}});
    out.gauge("evaluations", "Evaluations now, by state", counts->paused, {{"state", "paused"}});
  }
  auto gauges = co_await edge.farm.read_gauges();
  if (gauges)
    for (const auto& one : *gauges) {
      labels named;
      if (!one.label.empty())
        named.emplace_back("name", one.label);
      out.gauge(metric_name(one.name), "Reported by an actor of the farm", one.value, named);
    }
  auto models = co_await edge.farm.read_statistics();
  if (models)
    for (const auto& one : models->models)
      add_model(out, one);
  co_return out.text();
}

} // namespace assay::server
