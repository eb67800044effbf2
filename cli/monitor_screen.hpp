#pragma once

#include "cli/output.hpp"

#include <nlohmann/json_fwd.hpp>

#include <string>

namespace assay::cli {

/// The answers of /monitor/... that the live view shows.
struct monitor_answers {
  const nlohmann::json& overview;
  const nlohmann::json& models;
  const nlohmann::json& alerts;
  const nlohmann::json& recommendations;
  const nlohmann::json& retries;
  const nlohmann::json* keys = nullptr; ///< Nothing from a server that does not tell of them.
};

/// @returns the whole view, for a terminal of that width. Members that an answer lacks are shown as `-`.
std::string render_monitor(const monitor_answers& seen, const terminal& where);

/// @returns one line for a log or a pipe.
std::string render_monitor_line(const monitor_answers& seen);

} // namespace assay::cli
