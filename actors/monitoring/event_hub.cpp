#include "actors/monitoring/event_hub.hpp"

#include "protocol/errors.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <utility>

namespace assay {

namespace {

using self_pointer = event_hub_actor::stateful_pointer<event_hub_state>;

frame to_frame_message(const event& value) {
  return frame{value.run, value.seq, value.type, to_frame(value)};
}

void send_to_all(self_pointer self, event_hub_state::channel& channel, frame_batch frames) {
  const auto message = caf::make_message(std::move(frames));
  for (const auto& sink : channel.sinks) {
    ++self->state.frames_sent;
    caf::anon_send(caf::actor_cast<caf::actor>(sink), message);
  }
}

/// Events of one call may belong to several runs; each run's come in order.
void publish(self_pointer self, const std::vector<event>& events) {
  std::map<run_id, frame_batch> by_run;
  for (const auto& value : events) {
    const auto found = self->state.channels.find(value.run);
    if (found == self->state.channels.end())
      continue;
    found->second.last_seq = std::max(found->second.last_seq, value.seq);
    by_run[value.run].frames.push_back(to_frame_message(value));
  }
  for (auto& [run, frames] : by_run)
    send_to_all(self, self->state.channels[run], std::move(frames));
}

void flush_progress(self_pointer self, wall_time now) {
  for (auto& [run, channel] : self->state.channels) {
    if (!channel.pending)
      continue;
    const auto record = std::exchange(channel.pending, std::nullopt);
    const event progress{run, std::max(channel.last_seq, record->last_seq), event_type::evaluation_progress,
                         now, shared_text{run_status_json(*record).dump()}};
    frame_batch frames;
    frames.frames.push_back(to_frame_message(progress));
    send_to_all(self, channel, std::move(frames));
  }
}

void start_ticking(self_pointer self, std::chrono::milliseconds interval) {
  if (std::exchange(self->state.ticking, true))
    return;
  self->delayed_send(self, interval, tick{});
}

void forget(self_pointer self, const caf::actor_addr& gone) {
  auto& channels = self->state.channels;
  self->state.watched.erase(gone);
  for (auto it = channels.begin(); it != channels.end();) {
    self->state.subscribers -=
        std::erase_if(it->second.sinks, [&](const auto& sink) { return sink.address() == gone; });
    it = it->second.sinks.empty() ? channels.erase(it) : std::next(it);
  }
}

caf::result<subscribed> add_subscriber(self_pointer self, const event_hub_config& config,
                                       const subscribe& wish) {
  if (self->state.subscribers >= config.max_subscribers)
    return to_caf_error({errc::busy, "the farm has as many subscribers as it allows", {}, "try again later"});
  auto& channel = self->state.channels[wish.run];
  if (std::ranges::find(channel.sinks, wish.sink) == channel.sinks.end()) {
    channel.sinks.push_back(wish.sink);
    ++self->state.subscribers;
    if (self->state.watched.insert(wish.sink.address()).second)
      self->monitor(wish.sink);
  }
  return subscribed{wish.run, channel.last_seq};
}

void remove_subscriber(self_pointer self, const unsubscribe& wish) {
  const auto found = self->state.channels.find(wish.run);
  if (found == self->state.channels.end())
    return;
  self->state.subscribers -= std::erase(found->second.sinks, wish.sink);
  if (found->second.sinks.empty())
    self->state.channels.erase(found);
}

} // namespace

event_hub_actor::behavior_type event_hub(self_pointer self, event_hub_config config) {
  self->set_down_handler([self](const caf::down_msg& down) { forget(self, down.source); });
  return {
      [self](const publish_events& message) { publish(self, message.events); },
      [self, config](publish_progress& message) {
        const auto found = self->state.channels.find(message.record.spec.id);
        if (found == self->state.channels.end())
          return;
        found->second.pending = std::move(message.record);
        start_ticking(self, config.progress_interval);
      },
      [self, config](const subscribe& wish) { return add_subscriber(self, config, wish); },
      [self](const unsubscribe& wish) { remove_subscriber(self, wish); },
      [self](const read_gauges&) {
        return gauges{{{"event_subscribers", "", static_cast<double>(self->state.subscribers)},
                       {"event_frames_total", "", static_cast<double>(self->state.frames_sent)}}};
      },
      [self, config](const tick&) {
        self->state.ticking = false;
        flush_progress(self, config.wall());
      },
  };
}

} // namespace assay
