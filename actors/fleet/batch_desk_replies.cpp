#include "actors/fleet/batch_desk_detail.hpp"
#include "actors/fleet/hide_key.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

namespace assay::batch_desk_detail {

namespace {

using std::chrono::hours;

/// A list is looked through so far.
constexpr uint32_t most_pages = 20;
constexpr uint32_t most_looks = 2;
constexpr uint32_t most_crowded = 6;
/// Clocks differ.
constexpr std::chrono::minutes clock_difference{5};
/// Longest between the intent and the batch's creation.
constexpr hours creation_takes{1};
std::chrono::milliseconds backoff(const batch_desk_config& config, uint32_t failures) {
  const auto wait = config.poll_first * (1U << std::min(failures, 10U));
  return std::min(wait, config.poll_last);
}

bool is_past_hope(const batch_desk_config& config, const chunk& which, const account& from) {
  return config.wall() - which.made_at > 2 * from.profile.batches.window + hours{1};
}

/// Tries the same step again, later.
void again(self_pointer self, const config_ptr& config, chunk& which,
           const std::optional<milliseconds>& asked = {}) {
  const auto wait = std::max(backoff(*config, which.failures++), asked.value_or(milliseconds{0}));
  go(self, config, which, which.now, wait);
}

bool may_pass(const codecs::call_failure& failure) {
  const auto how = retry_class_of(failure.code);
  return how == retry_class::transient || how == retry_class::wait;
}

fault spoken(const codecs::call_failure& failure, std::string_view what) {
  auto reason = failure.to_fault();
  reason.message = std::string(what) + ": " + reason.message;
  return reason;
}

// -- finding it again --------------------------------------------------------------------------------------

bool is_taken(const batch_desk_state& state, const std::string& batch) {
  return std::ranges::any_of(state.chunks, [&](const auto& entry) { return entry.second.batch == batch; });
}

bool may_be(const batch_desk_state& state, const account& from, const chunk& which,
            const codecs::batch_status& seen) {
  if (from.codec->labels())
    return seen.label == which.label;
  if (std::ranges::find(which.foreign, seen.id) != which.foreign.end() || is_taken(state, seen.id))
    return false;
  return (seen.calls == 0 || seen.calls == which.lines_in_it) && seen.created_at
         && *seen.created_at > which.made_at - clock_difference
         && *seen.created_at < which.made_at + creation_takes;
}

void adopt(self_pointer self, const config_ptr& config, chunk& which, std::string batch) {
  spdlog::info("batch desk found a batch again run={} batch={}", which.label.run, batch);
  which.batch = std::move(batch);
  which.lines = {};
  which.failures = 0;
  ++self->state.adopted;
  save(self, config, which);
  go(self, config, which, phase::working);
}

/// It is not there, so it was never made.
void on_nothing_found(self_pointer self, const config_ptr& config, chunk& which, answers& out) {
  which.page.clear();
  which.pages = 0;
  if (++which.looks < most_looks)
    return go(self, config, which, phase::looking, config->look_again);
  which.looks = 0;
  if (which.cancel || which.lines.empty())
    settle_money(self, config, which, money{});
  if (which.cancel)
    return drop(self, config, which.label.chunk);
  const auto lane = self->state.lanes.find(which.run);
  if (which.lines.empty()) {
    // An earlier process had the lines. Whoever has asked for them waits for the next batch.
    if (lane != self->state.lanes.end())
      gather_again(self, lane->second, take_calls(lane->second, which));
    return drop(self, config, which.label.chunk);
  }
  if (which.failures >= config->max_tries)
    return ask_online(self, config, which,
                      {errc::provider_unavailable, "the provider makes no batch", {}, {}}, false, out);
  go(self, config, which, phase::creating, backoff(*config, which.failures++));
}

void on_list(self_pointer self, const config_ptr& config, chunk& which, codecs::batch_page&& page,
             answers& out) {
  const auto& from = account_of(self, which);
  for (auto& seen : page.batches)
    if (may_be(self->state, from, which, seen))
      return adopt(self, config, which, std::move(seen.id));
  const bool older = !page.batches.empty() && page.batches.back().created_at
                     && *page.batches.back().created_at < which.made_at - creation_takes;
  if (page.next.empty() || older || ++which.pages >= most_pages)
    return on_nothing_found(self, config, which, out);
  which.page = std::move(page.next);
  go(self, config, which, phase::looking);
}

// -- while the provider works ------------------------------------------------------------------------------

/// The provider took none of its calls.
void on_batch_failed(self_pointer self, const config_ptr& config, chunk& which,
                     const codecs::batch_status& seen, answers& out) {
  const auto found = self->state.lanes.find(which.run);
  const fault reason{errc::provider_rejected,
                     "the batch failed: " + (seen.problem.empty() ? "no reason is given" : seen.problem),
                     {},
                     {}};
  spdlog::warn("batch desk has a failed batch run={} batch={} reason=\"{}\"", which.label.run, which.batch,
               seen.problem);
  if (!seen.crowded || which.cancel || found == self->state.lanes.end()
      || found->second.crowded >= most_crowded)
    return ask_online(self, config, which, reason, false, out);
  auto& lane = found->second;
  lane.hold_until = self->clock().now() + config->crowded_wait * (1U << lane.crowded++);
  gather_again(self, lane, take_calls(lane, which));
  settle_money(self, config, which, money{});
  drop(self, config, which.label.chunk);
}

void on_status(self_pointer self, const config_ptr& config, chunk& which, codecs::batch_status&& seen,
               answers& out) {
  which.failures = 0;
  const auto& from = account_of(self, which);
  switch (seen.stage) {
  case codecs::batch_stage::failed:
    return on_batch_failed(self, config, which, seen, out);
  case codecs::batch_stage::ended:
    if (const auto lane = self->state.lanes.find(which.run); lane != self->state.lanes.end())
      lane->second.crowded = 0;
    which.results = std::move(seen.results);
    return go(self, config, which, phase::fetching);
  case codecs::batch_stage::working:
    break;
  }
  if (which.cancel && !which.cancel_sent)
    return go(self, config, which, phase::cancelling);
  // Azure's batches do not expire. What it has done by now may be paid for.
  if (is_past_hope(*config, which, from))
    return ask_online(self, config, which,
                      {errc::provider_timeout, "the batch did not end within twice its window", {}, {}}, true,
                      out);
  which.wait = which.cancel ? config->poll_first
                            : std::min(std::max(which.wait * 3 / 2, config->poll_first), config->poll_last);
  go(self, config, which, phase::working, which.wait);
}

void on_created(self_pointer self, const config_ptr& config, chunk& which, codecs::batch_status&& made,
                answers& out) {
  which.batch = made.id;
  which.lines = {};
  which.wait = milliseconds{0};
  ++self->state.created;
  save(self, config, which);
  on_status(self, config, which, std::move(made), out);
}

// -- failures ----------------------------------------------------------------------------------------------

void on_not_created(self_pointer self, const config_ptr& config, chunk& which,
                    const codecs::call_failure& failure, const http_outcome& outcome, answers& out) {
  const bool unsure = outcome.status == 0 ? outcome.request_written : outcome.status >= 500;
  if (unsure) {
    ++which.failures;
    which.looks = 0;
    return go(self, config, which, phase::looking, config->poll_first);
  }
  if (may_pass(failure) && which.failures < config->max_tries)
    return again(self, config, which, failure.retry_after);
  ask_online(self, config, which, spoken(failure, "no batch was made"), false, out);
}

void on_failure(self_pointer self, const config_ptr& config, chunk& which,
                const codecs::call_failure& failure, const http_outcome& outcome, answers& out) {
  spdlog::debug("batch desk request failed run={} phase={} status={} reason=\"{}\"", which.label.run,
                static_cast<unsigned>(which.now), outcome.status, failure.message);
  switch (which.now) {
  case phase::uploading:
  case phase::awaiting_file:
    if (may_pass(failure) && which.failures < config->max_tries)
      return again(self, config, which, failure.retry_after);
    return ask_online(self, config, which, spoken(failure, "the calls could not be uploaded"), false, out);
  case phase::creating:
    return on_not_created(self, config, which, failure, outcome, out);
  case phase::cancelling:
    // A batch that has ended in the meantime cannot be cancelled.
    if (!may_pass(failure) || which.failures >= config->max_tries) {
      which.cancel_sent = true;
      return go(self, config, which, phase::working);
    }
    return again(self, config, which, failure.retry_after);
  case phase::working:
  case phase::fetching:
    if (outcome.status == 404 && which.failures >= config->max_tries)
      return ask_online(self, config, which, spoken(failure, "the batch is gone"), true, out);
    [[fallthrough]];
  default:
    // Answers that are paid for are worth some patience.
    if (is_past_hope(*config, which, account_of(self, which)))
      return ask_online(self, config, which, spoken(failure, "the batch could not be read"), true, out);
    return again(self, config, which, failure.retry_after);
  }
}

/// Gives a decoded answer to @p good, or its failure to on_failure().
template <class T, class Good>
void sort(self_pointer self, const config_ptr& config, chunk& which, codecs::decoded<T>&& decoded,
          const http_outcome& outcome, answers& out, Good&& good) {
  if (auto* failure = std::get_if<codecs::call_failure>(&decoded)) {
    hide_key(*failure, account_of(self, which).key.value);
    return on_failure(self, config, which, *failure, outcome, out);
  }
  good(std::get<T>(std::move(decoded)));
}

void on_file(self_pointer self, const config_ptr& config, chunk& which, codecs::batch_file&& file) {
  which.file = std::move(file.id);
  which.failures = 0;
  if (file.ready)
    go(self, config, which, phase::creating);
  else
    go(self, config, which, phase::awaiting_file, config->poll_first);
}

} // namespace

void on_reply(self_pointer self, const config_ptr& config, chunk& which, const http_outcome& outcome,
              answers& out) {
  auto& codec = *account_of(self, which).codec;
  const auto now = config->wall();
  switch (which.now) {
  case phase::uploading:
  case phase::awaiting_file:
    return sort(self, config, which, codec.decode_file(outcome, now), outcome, out,
                [&](codecs::batch_file&& file) { on_file(self, config, which, std::move(file)); });
  case phase::creating:
    return sort(self, config, which, codec.decode_status(outcome, now), outcome, out,
                [&](codecs::batch_status&& made) {
                  hide_key(made, account_of(self, which).key.value);
                  on_created(self, config, which, std::move(made), out);
                });
  case phase::looking:
    return sort(self, config, which, codec.decode_list(outcome, now), outcome, out,
                [&](codecs::batch_page&& page) { on_list(self, config, which, std::move(page), out); });
  case phase::working:
    return sort(self, config, which, codec.decode_status(outcome, now), outcome, out,
                [&](codecs::batch_status&& seen) {
                  hide_key(seen, account_of(self, which).key.value);
                  on_status(self, config, which, std::move(seen), out);
                });
  case phase::cancelling:
    // What the answer says is asked for again.
    if (outcome.status < 200 || outcome.status > 299)
      return sort(self, config, which, codec.decode_status(outcome, now), outcome, out,
                  [&](codecs::batch_status&&) { again(self, config, which); });
    which.cancel_sent = true;
    which.failures = 0;
    if (!which.give_back_at)
      return drop(self, config, which.label.chunk);
    return go(self, config, which, phase::working, config->poll_first);
  case phase::fetching:
    if (outcome.status != 200)
      return sort(self, config, which, codec.decode_status(outcome, now), outcome, out,
                  [&](codecs::batch_status&&) { again(self, config, which); });
    if (!outcome.body.empty())
      which.body.append(outcome.body.view());
    which.results.erase(which.results.begin());
    which.now = phase::reading;
    return step(self, config, which, out);
  default:
    return;
  }
}

} // namespace assay::batch_desk_detail
