#pragma once

#include "server/services.hpp"

#include <nlohmann/json_fwd.hpp>

#include <boost/asio/awaitable.hpp>

#include <string>

namespace assay::server {

/// The body of GET /health: one object that reads as the flat and as the enveloped form.
/// @param details Whether the caller may see more than the public part.
boost::asio::awaitable<nlohmann::json> health_json(edge_services& edge, std::string request_id, bool details);

/// "14:30:25", "1 day, 14:30:25", "2 days, 14:30:25".
std::string uptime_text(std::chrono::seconds uptime);

/// The text of GET /metrics: the edge's own numbers, the actors' gauges, and the monitor's statistics.
boost::asio::awaitable<std::string> metrics_text(edge_services& edge);

} // namespace assay::server
