#include "actors/fleet/response_cache_detail.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

namespace assay {

namespace response_cache_detail {

namespace {

constexpr const char* table_name = "response_cache";
/// Removal goes on until so much is free, so that not every new answer removes one.
constexpr uint64_t free_share = 20;

bool is_older(wall_time since, std::chrono::seconds age, wall_time now) {
  return age.count() > 0 && now - since >= age;
}

/// What the store has, or will have once all that was sent is durable.
std::vector<answer_ptr> find_rows(self_pointer self, const config_ptr& config,
                                  const std::vector<std::string>& questions) {
  std::vector<answer_ptr> out(questions.size());
  std::vector<std::string> unknown;
  std::vector<size_t> places;
  for (size_t i = 0; i < questions.size(); ++i) {
    if (const auto found = self->state.unwritten.find(questions[i]); found != self->state.unwritten.end()) {
      out[i] = found->second.answer;
      continue;
    }
    unknown.push_back(questions[i]);
    places.push_back(i);
  }
  if (unknown.empty())
    return out;
  auto stored = config->read.find(unknown);
  for (size_t i = 0; i < stored.size() && i < places.size(); ++i)
    if (stored[i])
      out[places[i]] = std::make_shared<const storage::cached_answer>(std::move(*stored[i]));
  return out;
}

void put(append_batch& rows, std::string key, std::string value) {
  rows.documents.push_back({table_name, std::move(key), std::move(value), false, std::nullopt});
}

void erase(append_batch& rows, std::string key) {
  rows.documents.push_back({table_name, std::move(key), std::nullopt, false, std::nullopt});
}

void take_away(response_cache_state& state, uint32_t bytes) {
  state.bytes -= std::min<uint64_t>(state.bytes, bytes);
  state.answers -= std::min<uint64_t>(state.answers, 1);
}

void send(self_pointer self, const config_ptr& config, append_batch rows, std::vector<std::string> questions,
          uint64_t bytes) {
  auto& state = self->state;
  rows.watermark = ++state.next_watermark;
  state.sent.push_back({rows.watermark, std::move(questions), bytes});
  state.uncommitted_bytes += bytes;
  self->send(config->journal, append{std::move(rows), caf::actor_cast<commit_sink_actor>(self)});
}

/// Replaces what the store has of one question. @returns the bytes on their way.
uint64_t change(response_cache_state& state, append_batch& rows, const answer_ptr& old, fresh_answer& news) {
  std::string old_order;
  if (old) {
    old_order = storage::cache_order_row({old->used_at, old->bytes, news.question});
    take_away(state, old->bytes);
  }
  uint64_t bytes = 0;
  std::string order;
  if (news.answer) {
    auto value = *news.answer;
    auto encoded = storage::encode_cached_answer(value);
    value.bytes = storage::cached_bytes(encoded);
    bytes = value.bytes;
    order = storage::cache_order_row({value.used_at, value.bytes, news.question});
    put(rows, order, {});
    put(rows, storage::cached_answer_row(news.question), std::move(encoded));
    state.bytes += bytes;
    ++state.answers;
    news.answer = std::make_shared<const storage::cached_answer>(std::move(value));
  } else {
    erase(rows, storage::cached_answer_row(news.question));
  }
  // A batch names each key once.
  if (!old_order.empty() && old_order != order)
    erase(rows, std::move(old_order));
  return bytes;
}

/// @param old What there is of each.
void write(self_pointer self, const config_ptr& config, std::vector<fresh_answer> changes,
           const std::vector<answer_ptr>& old) {
  auto& state = self->state;
  append_batch rows;
  std::vector<std::string> questions;
  uint64_t bytes = 0;
  const auto watermark = state.next_watermark + 1;
  for (size_t i = 0; i < changes.size(); ++i) {
    auto& one = changes[i];
    if (!one.answer && !old[i])
      continue;
    bytes += change(state, rows, old[i], one);
    state.unwritten[one.question] = {watermark, one.answer};
    questions.push_back(std::move(one.question));
  }
  if (!rows.documents.empty())
    send(self, config, std::move(rows), std::move(questions), bytes);
}

bool takes_writes(const response_cache_state& state) { return !state.read_only; }

void wait_until_counted(self_pointer self, const config_ptr& config, std::vector<fresh_answer>&& changes) {
  auto& state = self->state;
  for (auto& one : changes) {
    const uint64_t bytes = one.answer ? one.answer->answer.size() : 0;
    if (state.uncommitted_bytes + bytes > config->max_uncommitted_bytes)
      continue;
    state.uncommitted_bytes += bytes;
    state.fresh.push_back(std::move(one));
  }
  begin_counting(self, config);
}

} // namespace

std::vector<answer_ptr> look_up(self_pointer self, const config_ptr& config,
                                const std::vector<std::string>& questions) {
  auto found = find_rows(self, config, questions);
  const auto now = config->wall();
  for (auto& one : found)
    if (one && is_older(one->stored_at, config->max_age, now))
      one.reset();
  return found;
}

void keep(self_pointer self, const config_ptr& config, std::vector<fresh_answer> changes) {
  auto& state = self->state;
  if (changes.empty() || !takes_writes(state))
    return;
  // An answer that would push half of the others out is not worth it.
  std::erase_if(changes, [&](const fresh_answer& one) {
    return one.answer && one.answer->answer.size() > config->max_bytes / 2;
  });
  if (!state.counted)
    return wait_until_counted(self, config, std::move(changes));
  std::erase_if(changes, [&](const fresh_answer& one) {
    return one.answer && state.uncommitted_bytes + one.answer->answer.size() > config->max_uncommitted_bytes;
  });
  std::vector<std::string> questions;
  for (const auto& one : changes)
    questions.push_back(one.question);
  const auto old = find_rows(self, config, questions);
  write(self, config, std::move(changes), old);
  remove_oldest(self, config, false);
}

void used_again(self_pointer self, const config_ptr& config, const std::vector<fresh_answer>& given) {
  auto& state = self->state;
  if (!state.counted || !takes_writes(state))
    return;
  const auto now = config->wall();
  std::vector<fresh_answer> moved;
  std::vector<answer_ptr> old;
  for (const auto& one : given) {
    if (now - one.answer->used_at < config->used_again_after || state.unwritten.contains(one.question)
        || state.uncommitted_bytes + one.answer->bytes > config->max_uncommitted_bytes
        || std::ranges::find(moved, one.question, &fresh_answer::question) != moved.end())
      continue;
    auto value = *one.answer;
    value.used_at = now;
    moved.push_back({one.question, std::make_shared<const storage::cached_answer>(std::move(value))});
    old.push_back(one.answer);
  }
  write(self, config, std::move(moved), old);
}

// -- how much there is -------------------------------------------------------------------------------------

void begin_counting(self_pointer self, const config_ptr& config) {
  auto& state = self->state;
  if (state.counting || state.counted || state.read_only)
    return;
  // Nothing is written meanwhile, so nothing is counted twice.
  state.counting = config->workers->submit(
      [count = config->read.count, target = response_cache_actor{self}] { caf::anon_send(target, count()); });
}

void on_counted(self_pointer self, const config_ptr& config, const cache_counted& news) {
  auto& state = self->state;
  state.counting = false;
  if (news.error) {
    spdlog::warn("response cache could not be counted reason=\"{}\"", to_string(*news.error));
    return;
  }
  state.counted = true;
  state.answers = news.answers;
  state.bytes = news.bytes;
  auto waiting = std::exchange(state.fresh, {});
  for (const auto& one : waiting)
    state.uncommitted_bytes -= one.answer ? one.answer->answer.size() : 0;
  // The same question may have been answered twice meanwhile; the later answer counts.
  std::vector<fresh_answer> latest;
  for (auto& one : waiting) {
    std::erase_if(latest, [&](const fresh_answer& other) { return other.question == one.question; });
    latest.push_back(std::move(one));
  }
  keep(self, config, std::move(latest));
  remove_oldest(self, config, true);
}

// -- what goes ---------------------------------------------------------------------------------------------

void remove_oldest(self_pointer self, const config_ptr& config, bool look_for_expired) {
  auto& state = self->state;
  if (!state.counted || state.removing || !takes_writes(state))
    return;
  const bool expires = look_for_expired && config->max_age.count() > 0;
  if (state.bytes <= config->max_bytes && !expires)
    return;
  state.removing = config->workers->submit(
      [oldest = config->read.oldest, limit = config->removed_at_once, target = response_cache_actor{self}] {
        caf::anon_send(target, oldest(limit));
      });
}

void on_oldest(self_pointer self, const config_ptr& config, const cache_oldest_found& found) {
  auto& state = self->state;
  if (found.error)
    spdlog::warn("response cache could not look for old answers reason=\"{}\"", to_string(*found.error));
  const auto now = config->wall();
  const auto target = state.bytes > config->max_bytes ? config->max_bytes - config->max_bytes / free_share
                                                      : config->max_bytes;
  append_batch rows;
  std::vector<std::string> questions;
  const auto watermark = state.next_watermark + 1;
  for (const auto& one : found.entries) {
    if (state.bytes <= target && !is_older(one.used_at, config->max_age, now))
      break;
    // Its rows are about to change; it is not among the oldest any more.
    if (state.unwritten.contains(one.question))
      continue;
    erase(rows, storage::cached_answer_row(one.question));
    erase(rows, storage::cache_order_row({one.used_at, one.bytes, one.question}));
    take_away(state, one.bytes);
    state.unwritten[one.question] = {watermark, nullptr};
    questions.push_back(one.question);
  }
  state.removing = !questions.empty();
  if (!state.removing)
    return;
  state.removal_watermark = watermark;
  send(self, config, std::move(rows), std::move(questions), 0);
}

void on_committed(self_pointer self, const config_ptr& config, const committed& news) {
  auto& state = self->state;
  while (!state.sent.empty() && state.sent.front().watermark <= news.watermark) {
    auto& batch = state.sent.front();
    for (const auto& question : batch.questions) {
      const auto row = state.unwritten.find(question);
      if (row != state.unwritten.end() && row->second.watermark == batch.watermark)
        state.unwritten.erase(row);
    }
    state.uncommitted_bytes -= batch.bytes;
    state.sent.pop_front();
  }
  const bool removed =
      state.removing && state.removal_watermark != 0 && news.watermark >= state.removal_watermark;
  if (removed) {
    state.removing = false;
    state.removal_watermark = 0;
  }
  if (news.error) {
    // Losing what was to be kept costs a repeated call, so the runs go on; only the numbers are wrong now.
    spdlog::warn("response cache could not keep answers reason=\"{}\"", to_string(*news.error));
    state.read_only = news.error->code == errc::store_full || news.error->code == errc::store_failed;
    state.counted = false;
    return;
  }
  remove_oldest(self, config, removed);
}

} // namespace response_cache_detail

cache_reader make_cache_reader(std::shared_ptr<storage::store> store) {
  cache_reader out;
  out.find = [store](const std::vector<std::string>& questions) {
    std::vector<std::optional<storage::cached_answer>> found(questions.size());
    auto view = storage::snapshot::open(store);
    for (size_t i = 0; view && i < questions.size(); ++i)
      if (auto one = storage::find_cached_answer(*view, questions[i]))
        found[i] = std::move(*one);
    return found;
  };
  out.count = [store] {
    cache_counted news;
    if (const auto size = storage::measure_answer_cache(store)) {
      news.answers = size->answers;
      news.bytes = size->bytes;
    } else {
      news.error = size.error();
    }
    return news;
  };
  out.oldest = [store](size_t limit) {
    cache_oldest_found news;
    auto view = storage::snapshot::open(store);
    if (!view) {
      news.error = view.error();
      return news;
    }
    auto page = storage::page_cache_places(*view, std::nullopt, limit);
    if (!page) {
      news.error = page.error();
      return news;
    }
    for (auto& place : page->places)
      news.entries.push_back({std::move(place.question), place.used_at, place.bytes});
    return news;
  };
  return out;
}

} // namespace assay
