#include "server/health.hpp"

#include "protocol/messages/hosts.hpp"
#include "storage/store.hpp"

#include <nlohmann/json.hpp>

#include <array>
#include <cstdio>
#include <map>

namespace assay::server {

namespace {

using json = nlohmann::json;

constexpr const char* healthy = "healthy";
constexpr const char* unavailable = "unavailable";

/// Providers that were asked while they were idle; the monitor's windows tell of the others.
json providers_json(const result<monitoring::monitor_view>& seen) {
  if (!seen)
    return nullptr;
  json out = json::object();
  for (const auto& one : seen->health)
    out[one.provider.value] = one.healthy ? healthy : unavailable;
  return out;
}

json hosts_json(const std::map<std::string, host_state>& hosts) {
  json out = json::object();
  for (const auto& [name, host] : hosts)
    out[name] = {{"status", host.available ? healthy : unavailable},
                 {"reason", host.reason.empty() ? json(nullptr) : json(host.reason)},
                 {"limits", host.limits},
                 {"workers", host.workers}};
  return out;
}

} // namespace

std::string uptime_text(std::chrono::seconds uptime) {
  const auto total = uptime.count();
  std::array<char, 64> text{};
  const auto days = total / 86'400;
  const auto rest = total % 86'400;
  const auto hours = static_cast<int>(rest / 3600);
  const auto minutes = static_cast<int>(rest / 60 % 60);
  const auto left = static_cast<int>(rest % 60);
  if (days == 0)
    std::snprintf(text.data(), text.size(), "%d:%02d:%02d", hours, minutes, left);
  else
    std::snprintf(text.data(), text.size(), "%lld day%s, %d:%02d:%02d", static_cast<long long>(days),
                  days == 1 ? "" : "s", hours, minutes, left);
  return text.data();
}

boost::asio::awaitable<json> health_json(edge_services& edge, std::string request_id, bool details) {
  auto counts = co_await edge.farm.count();
  const auto now = edge.options.time.wall();
  const auto uptime =
      std::chrono::duration_cast<std::chrono::seconds>(edge.options.time.steady() - edge.started_at);
  const auto store_fault = edge.store->write_fault();

  // The document's clients look for redis, docker and k8s. The journal is the queue here; the others do not
  // exist.
  json components{{"journal", store_fault ? unavailable : healthy},
                  {"redis", store_fault ? unavailable : healthy},
                  {"local", counts ? healthy : unavailable},
                  {"python_host", unavailable},
                  {"sandbox", unavailable},
                  {"docker", unavailable},
                  {"k8s", unavailable}};
  // Anybody may ask: one of the names above with one of the two words, whatever the farm has to say beyond.
  if (edge.options.component_states)
    for (const auto& [name, state] : edge.options.component_states())
      if (components.contains(name))
        components[name] = state == healthy ? healthy : unavailable;
  std::map<std::string, host_state> hosts;
  if (edge.options.host_states)
    hosts = edge.options.host_states();
  for (const auto& [name, host] : hosts)
    if (components.contains(name))
      components[name] = host.available ? healthy : unavailable;
  const char* status = !counts ? "unhealthy" : store_fault ? "degraded" : healthy;
  const auto timestamp = to_rfc3339(now);
  const double unix_time = static_cast<double>(now.time_since_epoch().count()) / 1000.0;

  json data{{"status", status},
            {"timestamp", timestamp},
            {"version", edge.options.version},
            {"uptime", uptime_text(uptime)},
            {"components", components}};
  json out = data;
  out["timestamp_unix"] = unix_time;
  out["active_evaluations"] = counts ? json(counts->active) : json(nullptr);
  out["success"] = counts.has_value();
  out["data"] = std::move(data);
  out["meta"] = {{"timestamp", timestamp}, {"request_id", request_id}, {"api_version", "v1"}};
  if (details) {
    auto seen = co_await edge.farm.read_monitor();
    out["environment"] = edge.options.environment;
    out["uptime_seconds"] = uptime.count();
    out["queued_evaluations"] = counts ? json(counts->queued) : json(nullptr);
    out["paused_evaluations"] = counts ? json(counts->paused) : json(nullptr);
    out["open_connections"] = edge.counters.connections_open;
    out["open_web_sockets"] = edge.counters.web_sockets_open;
    if (store_fault)
      out["store_error"] = store_fault->message;
    if (!counts)
      out["farm_error"] = counts.error().message;
    out["providers"] = providers_json(seen);
    out["hosts"] = hosts_json(hosts);
  }
  co_return std::move(out);
}

} // namespace assay::server
