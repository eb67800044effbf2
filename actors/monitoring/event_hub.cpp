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

void send_to(self_pointer self, const event_hub_state::listener& listener, const caf::message& frames) {
  ++self->state.frames_sent;
  caf::anon_send(caf::actor_cast<caf::actor>(listener.sink), frames);
}

void send_to_all(self_pointer self, const event_hub_state::channel& channel, frame_batch frames) {
  const auto message = caf::make_message(std::move(frames));
  for (const auto& listener : channel.listeners)
    send_to(self, listener, message);
}

bool is_of_run_life(event_type type) {
  return type != event_type::log && type != event_type::sample_completed && type != event_type::alert
         && type != event_type::ab_test_analysis && type != event_type::experiment_progress;
}

/// The end says everything: progress that waits is older.
void note_end(event_hub_state::channel& channel, event_type type) {
  if (!is_of_run_life(type))
    return;
  channel.ended = ends_run(type);
  if (channel.ended)
    channel.newest.reset();
}

/// Events of one call may belong to several runs; each run's come in order.
void publish(self_pointer self, const std::vector<event>& events) {
  std::map<run_id, frame_batch> by_run;
  for (const auto& value : events) {
    const auto found = self->state.channels.find(value.run);
    if (found == self->state.channels.end())
      continue;
    found->second.last_seq = std::max(found->second.last_seq, value.seq);
    note_end(found->second, value.type);
    by_run[value.run].frames.push_back(to_frame_message(value));
  }
  for (auto& [run, frames] : by_run)
    send_to_all(self, self->state.channels[run], std::move(frames));
}

frame_batch progress_frame(const event_hub_state::channel& channel, wall_time now) {
  const auto& record = *channel.newest;
  const event progress{record.spec.id, std::max(channel.last_seq, record.last_seq),
                       event_type::evaluation_progress, now, shared_text{run_status_json(record).dump()}};
  frame_batch frames;
  frames.frames.push_back(to_frame_message(progress));
  return frames;
}

/// Sends the newest progress to the next few who have not had it.
/// @returns whether somebody still waits for it.
bool take_turn(self_pointer self, const event_hub_config& config, event_hub_state::channel& channel) {
  auto& listeners = channel.listeners;
  const auto turns =
      std::max<size_t>(1, static_cast<size_t>(config.progress_interval / config.progress_turn));
  size_t quota = (listeners.size() + turns - 1) / turns;
  const auto now = self->clock().now();
  caf::message message;
  bool waiting = false;
  for (size_t step = 0; step < listeners.size() && quota > 0; ++step) {
    auto& listener = listeners[channel.next++ % listeners.size()];
    if (listener.shown == channel.progress)
      continue;
    waiting = true;
    if (listener.shown > 0 && now - listener.shown_at < config.progress_interval)
      continue;
    if (message.empty())
      message = caf::make_message(progress_frame(channel, config.wall()));
    listener.shown = channel.progress;
    listener.shown_at = now;
    --quota;
    send_to(self, listener, message);
  }
  return waiting;
}

void start_ticking(self_pointer self, const event_hub_config& config) {
  if (std::exchange(self->state.ticking, true))
    return;
  self->delayed_send(self, config.progress_turn, tick{});
}

void flush_progress(self_pointer self, const event_hub_config& config) {
  bool waiting = false;
  for (auto& [run, channel] : self->state.channels)
    if (channel.newest)
      waiting = take_turn(self, config, channel) || waiting;
  if (waiting)
    start_ticking(self, config);
}

void take_progress(self_pointer self, const event_hub_config& config, run_record&& record) {
  const auto found = self->state.channels.find(record.spec.id);
  // A run that ends says so by an event.
  if (found == self->state.channels.end() || found->second.ended || is_final(record.state))
    return;
  found->second.newest = std::move(record);
  ++found->second.progress;
  start_ticking(self, config);
}

void forget(self_pointer self, const caf::actor_addr& gone) {
  auto& channels = self->state.channels;
  self->state.watched.erase(gone);
  for (auto it = channels.begin(); it != channels.end();) {
    self->state.subscribers -= std::erase_if(
        it->second.listeners, [&](const auto& listener) { return listener.sink.address() == gone; });
    it = it->second.listeners.empty() ? channels.erase(it) : std::next(it);
  }
}

caf::result<subscribed> add_subscriber(self_pointer self, const event_hub_config& config,
                                       const subscribe& wish) {
  if (self->state.subscribers >= config.max_subscribers)
    return to_caf_error({errc::busy, "the farm has as many subscribers as it allows", {}, "try again later"});
  auto& channel = self->state.channels[wish.run];
  if (std::ranges::find(channel.listeners, wish.sink, &event_hub_state::listener::sink)
      == channel.listeners.end()) {
    channel.listeners.push_back({wish.sink});
    ++self->state.subscribers;
    if (self->state.watched.insert(wish.sink.address()).second)
      self->monitor(wish.sink);
    if (channel.newest)
      start_ticking(self, config);
  }
  return subscribed{wish.run, channel.last_seq};
}

void remove_subscriber(self_pointer self, const unsubscribe& wish) {
  const auto found = self->state.channels.find(wish.run);
  if (found == self->state.channels.end())
    return;
  self->state.subscribers -= std::erase_if(found->second.listeners,
                                           [&](const auto& listener) { return listener.sink == wish.sink; });
  if (found->second.listeners.empty())
    self->state.channels.erase(found);
}

} // namespace

event_hub_actor::behavior_type event_hub(self_pointer self, event_hub_config config) {
  self->set_down_handler([self](const caf::down_msg& down) { forget(self, down.source); });
  return {
      [self](const publish_events& message) { publish(self, message.events); },
      [self, config](publish_progress& message) { take_progress(self, config, std::move(message.record)); },
      [self, config](const subscribe& wish) { return add_subscriber(self, config, wish); },
      [self](const unsubscribe& wish) { remove_subscriber(self, wish); },
      [self](const read_gauges&) {
        return gauges{{{metric::event_subscribers, {}, static_cast<double>(self->state.subscribers)},
                       {metric::event_frames_total, {}, static_cast<double>(self->state.frames_sent)}},
                      {}};
      },
      [self, config](const tick&) {
        self->state.ticking = false;
        flush_progress(self, config);
      },
  };
}

} // namespace assay
