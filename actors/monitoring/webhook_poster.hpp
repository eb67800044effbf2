#pragma once

#include "actors/fleet/transport.hpp"
#include "protocol/actors.hpp"

#include <caf/typed_event_based_actor.hpp>

#include <chrono>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace assay {

struct webhook_poster_config {
  std::vector<std::string> urls; ///< http:// or https://, from the operator's configuration.
  transport_factory open_transport;
  std::chrono::milliseconds timeout{10'000}; ///< Of one post.
  /// Waits before a post is tried again; after the last it is given up.
  std::vector<std::chrono::milliseconds> waits{std::chrono::seconds{1}, std::chrono::seconds{5},
                                               std::chrono::seconds{30}};
  size_t most_waiting = 100; ///< Posts to one URL; the oldest gives way.
};

/// @relates webhook_poster
struct webhook_poster_state {
  static inline const char* name = "webhook-poster";

  struct post {
    shared_text body;
    size_t failures = 0;
  };

  /// One URL, served one post at a time so that order holds.
  struct target {
    std::string shown; ///< Scheme and host: paths of webhooks are often secret.
    std::string path;
    std::unique_ptr<transport> wire; ///< Empty when the URL is no good.
    std::deque<post> waiting;
    uint64_t in_flight = 0; ///< Its request's number; 0 when there is none.
    std::optional<std::chrono::steady_clock::time_point> again_at;
  };

  webhook_poster_state() = default;
  ~webhook_poster_state();
  webhook_poster_state(const webhook_poster_state&) = delete;
  webhook_poster_state& operator=(const webhook_poster_state&) = delete;

  std::vector<target> targets;
  uint64_t last_request = 0;
  uint64_t delivered = 0;
  uint64_t given_up = 0;
};

/// A webhook's URL in two parts.
struct webhook_address {
  std::string origin; ///< `https://host:port`
  std::string path;   ///< With the query; at least `/`.
};

/// @returns errc::invalid_argument for what is no http:// or https:// URL, or holds a user's name.
result<webhook_address> parse_webhook(const std::string& url);

/// Posts JSON to every webhook. Any 2xx answer delivers a post; others, redirects too, are tried again a few
/// times and then given up with a warning. Nobody waits for it.
webhook_poster_actor::behavior_type
webhook_poster(webhook_poster_actor::stateful_pointer<webhook_poster_state> self,
               webhook_poster_config config);

} // namespace assay
