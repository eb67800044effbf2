#include "actors/monitoring/monitor_detail.hpp"

#include "core/monitoring/bucket_key.hpp"
#include "protocol/errors.hpp"

#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstdio>
#include <utility>

namespace assay::monitor_detail {

namespace {

using monitoring::bucket_key;
using monitoring::bucket_name;

constexpr const char* statistics_table = "call_stats";
constexpr const char* alerts_table = "alerts";
constexpr const char* settings_table = "settings";
constexpr const char* thresholds_key = "monitor.thresholds";

constexpr std::chrono::seconds store_timeout{5};
/// Rows of one write: a few milliseconds of work.
constexpr size_t most_rows = 128;
constexpr size_t most_expired = 1'000;
/// Minutes serve the window of an hour; then the quarters of hours have them.
constexpr int64_t minutes_kept = 75;

std::string alert_key(uint64_t id) {
  char text[24];
  std::snprintf(text, sizeof text, "%020llu", static_cast<unsigned long long>(id));
  return text;
}

document_change put(const char* table, std::string key, std::string value) {
  return {table, std::move(key), std::move(value), false, std::nullopt};
}

document_change erase(const char* table, std::string key) {
  return {table, std::move(key), std::nullopt, false, std::nullopt};
}

/// Documents of one write. A batch names each key once, so the last word about one holds.
class document_set {
public:
  void add(document_change change) {
    const auto [at, fresh] = places_.try_emplace({change.table, change.key}, changes_.size());
    if (fresh)
      changes_.push_back(std::move(change));
    else
      changes_[at->second] = std::move(change);
  }
  size_t size() const { return changes_.size(); }
  std::vector<document_change> take() { return std::exchange(changes_, {}); }

private:
  std::vector<document_change> changes_;
  std::map<std::pair<std::string, std::string>, size_t> places_;
};

/// What one write holds, so that it can be repeated when it fails.
struct write {
  document_set documents;
  std::vector<std::pair<series_name, std::vector<bucket_name>>> buckets;
  std::vector<monitoring::alert> alerts;
  bool more = false;
};

void remember_minute(monitor_state& state, int64_t index, std::string key) {
  if (state.known_minutes.insert(key).second)
    state.stored_minutes.push_back({index, std::move(key)});
}

void add_buckets(monitor_state& state, wall_time now, write& out) {
  for (auto& [name, counters] : state.series) {
    if (out.documents.size() >= most_rows) {
      out.more = true;
      return;
    }
    auto unsaved = counters.windows.take_unsaved(now);
    for (const auto& bucket : unsaved) {
      auto key = to_string(bucket_key{bucket, name.first, name.second});
      out.documents.add(put(statistics_table, key, to_text(*counters.windows.find(bucket))));
      if (!bucket.quarter)
        remember_minute(state, bucket.index, std::move(key));
    }
    if (!unsaved.empty())
      out.buckets.emplace_back(name, std::move(unsaved));
  }
}

void add_alerts(monitor_state& state, write& out) {
  out.alerts = std::exchange(state.unsaved_alerts, {});
  for (const auto id : std::exchange(state.unstored_alerts, {}))
    if (const auto* one = state.alerts.find(id))
      out.documents.add(put(alerts_table, alert_key(id), monitoring::to_text(*one)));
  for (const auto& one : out.alerts)
    out.documents.add(put(alerts_table, alert_key(one.id), monitoring::to_text(one)));
}

void add_erasures(monitor_state& state, wall_time now, write& out) {
  const auto oldest =
      std::chrono::floor<seconds>(now.time_since_epoch()) / monitoring::minute_width - minutes_kept;
  for (size_t left = most_rows; left > 0 && !state.stored_minutes.empty(); --left) {
    if (state.stored_minutes.front().index >= oldest)
      break;
    auto key = std::move(state.stored_minutes.front().key);
    state.stored_minutes.pop_front();
    state.known_minutes.erase(key);
    out.documents.add(erase(statistics_table, std::move(key)));
  }
  for (const auto id : state.alerts.take_forgotten())
    out.documents.add(erase(alerts_table, alert_key(id)));
}

void on_saved(self_pointer self, const config_ptr& config, const write& done,
              const std::optional<fault>& error) {
  auto& state = self->state;
  state.saving = false;
  // Whoever has to hear of an alert hears of it even when the disk is full.
  tell(self, config, done.alerts);
  if (!error) {
    state.save_failed = false;
    if (done.more)
      save(self, config);
    return;
  }
  if (!std::exchange(state.save_failed, true))
    spdlog::warn("monitor could not store statistics, and tries on reason=\"{}\"", error->message);
  for (const auto& one : done.alerts)
    state.unstored_alerts.insert(one.id);
  for (const auto& [name, buckets] : done.buckets)
    if (const auto found = state.series.find(name); found != state.series.end())
      found->second.windows.mark_unsaved(buckets);
}

/// Stores documents and calls @p then once they are durable, or with the reason why not.
void store(self_pointer self, const config_ptr& config, document_set documents,
           std::function<void(const std::optional<fault>&)> then) {
  if (!config->journal)
    return then(std::nullopt);
  append_and_wait message;
  message.batch.documents = documents.take();
  self->request(config->journal, store_timeout, std::move(message))
      .then([then](const committed& done) { then(done.error); },
            [then](const caf::error& error) { then(to_fault(error)); });
}

void take_back(self_pointer self, const config_ptr& config, const std::string& key, const std::string& text) {
  auto& state = self->state;
  const auto where = monitoring::bucket_key_from_string(key);
  const auto tally = monitoring::tally_from_text(text);
  if (!where || !tally) {
    ++state.unreadable;
    return;
  }
  counters_of(state, *config, {where->provider, where->model}).windows.restore(where->name, *tally);
  state.overall.restore(where->name, *tally);
  if (!where->name.quarter)
    remember_minute(state, where->name.index, key);
}

} // namespace

// -- reading back ------------------------------------------------------------------------------------------

void begin_recall(self_pointer self, const config_ptr& config) {
  auto& state = self->state;
  state.clean_at = self->clock().now() + config->interval;
  if (!config->workers || !config->read.recall) {
    state.recalled = true;
    return;
  }
  const auto since = config->wall() - std::chrono::hours{24};
  const auto job = [read = config->read.recall, since, target = monitor_actor{self}] {
    read(since, [&](statistics_recalled&& part) { caf::anon_send(target, std::move(part)); });
  };
  if (config->workers->submit(job))
    return;
  spdlog::warn("monitor begins without its history: the workers are busy");
  state.recalled = true;
}

void on_recalled(self_pointer self, const config_ptr& config, const statistics_recalled& part) {
  auto& state = self->state;
  if (part.error)
    spdlog::warn("monitor could not read its history reason=\"{}\"", part.error->message);
  for (const auto& [key, text] : part.buckets)
    take_back(self, config, key, text);
  for (const auto& text : part.alerts) {
    if (const auto stored = monitoring::alert_from_text(text))
      state.alerts.restore(*stored);
    else
      ++state.unreadable;
  }
  if (part.thresholds) {
    if (auto limits = monitoring::changed(config->limits, std::string_view{*part.thresholds}))
      state.limits = *limits;
    else
      ++state.unreadable;
  }
  if (!part.last)
    return;
  state.recalled = true;
  state.view_made_at.reset();
  if (state.unreadable > 0)
    spdlog::warn("monitor could not understand stored documents count={}", state.unreadable);
}

// -- writing -----------------------------------------------------------------------------------------------

void save(self_pointer self, const config_ptr& config) {
  auto& state = self->state;
  // Before everything is read back, a bucket here is only a part of the stored one.
  if (state.saving || !state.recalled)
    return;
  if (!config->journal)
    return tell(self, config, std::exchange(state.unsaved_alerts, {}));
  write wish;
  add_alerts(state, wish);
  const auto now = config->wall();
  add_buckets(state, now, wish);
  add_erasures(state, now, wish);
  if (wish.documents.size() == 0)
    return;
  state.saving = true;
  append_and_wait message;
  message.batch.documents = wish.documents.take();
  const auto open = std::make_shared<const write>(std::move(wish));
  self->request(config->journal, store_timeout, std::move(message))
      .then(
          [self, config, open](const committed& done) { on_saved(self, config, *open, done.error); },
          [self, config, open](const caf::error& error) { on_saved(self, config, *open, to_fault(error)); });
}

caf::result<monitoring::alert> acknowledge(self_pointer self, const config_ptr& config,
                                           const acknowledge_alert& wish) {
  auto done = self->state.alerts.acknowledge(wish.alert, wish.who.value, config->wall());
  if (!done)
    return to_caf_error(done.error());
  auto promise = self->make_response_promise<monitoring::alert>();
  // Together with what waits to be stored: who follows the alerts hears of changes in their order.
  auto changes = std::exchange(self->state.unsaved_alerts, {});
  changes.push_back(std::move(*done));
  document_set documents;
  for (const auto& one : changes)
    documents.add(put(alerts_table, alert_key(one.id), monitoring::to_text(one)));
  store(self, config, std::move(documents),
        [self, config, promise, changes = std::move(changes)](const std::optional<fault>& error) mutable {
          tell(self, config, changes);
          if (error) {
            for (const auto& one : changes)
              self->state.unstored_alerts.insert(one.id);
            promise.deliver(to_caf_error(*error));
            return;
          }
          promise.deliver(changes.back());
        });
  return promise;
}

caf::result<monitoring::thresholds> change_limits(self_pointer self, const config_ptr& config,
                                                  const change_thresholds& wish) {
  auto limits = monitoring::changed(self->state.limits, std::string_view{wish.change});
  if (!limits)
    return to_caf_error(limits.error());
  auto promise = self->make_response_promise<monitoring::thresholds>();
  document_set documents;
  documents.add(put(settings_table, thresholds_key, nlohmann::json(*limits).dump()));
  store(self, config, std::move(documents),
        [self, promise, limits = *limits, who = wish.who](const std::optional<fault>& error) mutable {
          if (error) {
            promise.deliver(to_caf_error(*error));
            return;
          }
          self->state.limits = limits;
          spdlog::info("monitor thresholds changed by={}", who.value);
          promise.deliver(limits);
        });
  return promise;
}

// -- old statistics ----------------------------------------------------------------------------------------

void clean_when_due(self_pointer self, const config_ptr& config) {
  auto& state = self->state;
  if (config->keep.count() == 0 || !config->workers || !config->read.find_expired || !config->journal
      || self->clock().now() < state.clean_at)
    return;
  state.clean_at = self->clock().now() + config->clean_after;
  const auto job = [find = config->read.find_expired, before = config->wall() - config->keep,
                    target = monitor_actor{self}] {
    expired_statistics_found found;
    if (auto keys = find(before, most_expired))
      found.keys = std::move(*keys);
    else
      found.error = keys.error();
    caf::anon_send(target, std::move(found));
  };
  // A full line is tried again at the next turn.
  if (!config->workers->submit(job))
    state.clean_at = self->clock().now();
}

void on_expired(self_pointer self, const config_ptr& config, expired_statistics_found& found) {
  if (found.error)
    spdlog::warn("monitor could not look for old statistics reason=\"{}\"", found.error->message);
  if (found.keys.empty())
    return;
  append_and_wait message;
  for (auto& key : found.keys)
    message.batch.documents.push_back(erase(statistics_table, std::move(key)));
  // Not all of them yet: the rest follows soon.
  const auto count = message.batch.documents.size();
  if (count >= most_expired)
    self->state.clean_at = self->clock().now();
  self->request(config->journal, store_timeout, std::move(message))
      .then(
          [count](const committed& done) {
            if (!done.error)
              return spdlog::info("monitor removed old statistics count={}", count);
            spdlog::warn("monitor could not remove old statistics reason=\"{}\"", done.error->message);
          },
          [](const caf::error& error) {
            spdlog::warn("monitor could not remove old statistics reason=\"{}\"", to_fault(error).message);
          });
}

} // namespace assay::monitor_detail
