#include "actors/monitoring/webhook_poster.hpp"

#include "io/url.hpp"

#include <spdlog/spdlog.h>

#include <utility>

namespace assay {

namespace {

using self_pointer = webhook_poster_actor::stateful_pointer<webhook_poster_state>;
using target = webhook_poster_state::target;

transport_sink sink_to(const webhook_poster_actor& poster) {
  return [weak = caf::actor_cast<caf::actor_addr>(poster)](http_turn&& turn) {
    if (const auto strong = caf::actor_cast<webhook_poster_actor>(weak))
      caf::anon_send(strong, io_completed{{}, std::move(turn.outcomes)});
  };
}

void open_targets(self_pointer self, const webhook_poster_config& config) {
  for (const auto& url : config.urls) {
    auto address = parse_webhook(url);
    if (!address) {
      spdlog::warn("webhook left out reason=\"{}\"", to_string(address.error()));
      continue;
    }
    provider_profile profile;
    profile.id = provider_id{"webhook"};
    profile.base_url = address->origin;
    profile.key_required = false;
    profile.max_connections = 1;
    auto wire = config.open_transport(profile, sink_to(webhook_poster_actor{self}));
    if (!wire) {
      spdlog::warn("webhook left out host={} reason=\"{}\"", address->origin, to_string(wire.error()));
      continue;
    }
    target made;
    made.shown = std::move(address->origin);
    made.path = std::move(address->path);
    made.wire = std::move(*wire);
    self->state.targets.push_back(std::move(made));
  }
}

void send_next(self_pointer self, const webhook_poster_config& config, target& to) {
  if (to.in_flight != 0 || to.again_at || to.waiting.empty())
    return;
  to.in_flight = ++self->state.last_request;
  std::vector<http_request> requests(1);
  requests[0].id = to.in_flight;
  requests[0].target = to.path;
  requests[0].body = to.waiting.front().body;
  requests[0].timeout = config.timeout;
  to.wire->submit(std::move(requests));
}

void enqueue(self_pointer self, const webhook_poster_config& config, const post_webhooks& wish) {
  for (auto& to : self->state.targets) {
    for (const auto& body : wish.bodies) {
      // The one on its way keeps its place.
      const size_t first = to.in_flight != 0 ? 1 : 0;
      if (to.waiting.size() >= config.most_waiting + first) {
        to.waiting.erase(to.waiting.begin() + static_cast<std::ptrdiff_t>(first));
        ++self->state.given_up;
        spdlog::warn("webhook falls behind, an old alert was dropped host={}", to.shown);
      }
      to.waiting.push_back({body});
    }
    send_next(self, config, to);
  }
}

void on_failure(self_pointer self, const webhook_poster_config& config, target& to,
                const http_outcome& outcome) {
  auto& post = to.waiting.front();
  const auto failures = post.failures++;
  const auto reason =
      outcome.status != 0 ? "status " + std::to_string(outcome.status) : outcome.error_message;
  if (failures >= config.waits.size()) {
    spdlog::warn("webhook given up host={} reason=\"{}\"", to.shown, reason);
    ++self->state.given_up;
    to.waiting.pop_front();
    return;
  }
  spdlog::info("webhook failed, tried again host={} wait_ms={} reason=\"{}\"", to.shown,
               config.waits[failures].count(), reason);
  to.again_at = self->clock().now() + config.waits[failures];
  self->delayed_send(self, config.waits[failures], tick{});
}

void on_outcomes(self_pointer self, const webhook_poster_config& config, const io_completed& completed) {
  for (const auto& outcome : completed.outcomes)
    for (auto& to : self->state.targets) {
      if (to.in_flight != outcome.id)
        continue;
      to.in_flight = 0;
      if (outcome.status >= 200 && outcome.status < 300) {
        ++self->state.delivered;
        to.waiting.pop_front();
      } else {
        on_failure(self, config, to, outcome);
      }
      send_next(self, config, to);
    }
}

void send_due(self_pointer self, const webhook_poster_config& config) {
  for (auto& to : self->state.targets) {
    if (to.again_at && *to.again_at <= self->clock().now())
      to.again_at.reset();
    send_next(self, config, to);
  }
}

} // namespace

webhook_poster_state::~webhook_poster_state() {
  for (auto& to : targets)
    if (to.wire)
      to.wire->close();
}

result<webhook_address> parse_webhook(const std::string& url) {
  const auto scheme = url.find("://");
  const auto slash = scheme == std::string::npos ? scheme : url.find_first_of("/?#", scheme + 3);
  webhook_address out;
  out.origin = url.substr(0, slash);
  out.path = slash == std::string::npos ? "/" : url.substr(slash, url.find('#', slash) - slash);
  if (!out.path.starts_with('/'))
    out.path.insert(0, "/");
  if (auto origin = io::parse_base_url(out.origin); !origin) {
    auto reason = origin.error();
    reason.where = "monitoring.webhooks";
    return reason;
  }
  return out;
}

webhook_poster_actor::behavior_type webhook_poster(self_pointer self, webhook_poster_config config) {
  open_targets(self, config);
  return {
      [self, config](const post_webhooks& wish) { enqueue(self, config, wish); },
      [self, config](const io_completed& completed) { on_outcomes(self, config, completed); },
      [self, config](const tick&) { send_due(self, config); },
  };
}

} // namespace assay
