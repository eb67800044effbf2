#include "actors/supervision/journal.hpp"

#include "protocol/errors.hpp"

#include <map>
#include <utility>

namespace assay {

namespace {

using self_pointer = journal_actor::stateful_pointer<journal_state>;

/// The watermarks that one report makes durable, per owner.
using notices = std::map<commit_sink_actor, committed>;

void answer(notices& out, journal_state::open_ticket& ticket, committed news) {
  if (ticket.promise.pending()) {
    if (news.error)
      ticket.promise.deliver(to_caf_error(*news.error));
    else
      ticket.promise.deliver(std::move(news));
    return;
  }
  if (!ticket.owner)
    return;
  auto& latest = out[ticket.owner];
  // A failure is final for the store, so the first one stands whatever else the report says.
  if (!latest.error)
    latest = std::move(news);
}

void send_notices(self_pointer self, notices& out) {
  for (auto& [owner, news] : out)
    self->send(owner, std::move(news));
}

void refuse(self_pointer self, uint64_t ticket, const fault& reason) {
  const auto found = self->state.open.find(ticket);
  if (found == self->state.open.end())
    return;
  notices out;
  answer(out, found->second, committed{found->second.watermark, 0, reason});
  self->state.open.erase(found);
  send_notices(self, out);
}

void start_ticking(self_pointer self, const journal_config& config) {
  if (!std::exchange(self->state.ticking, true))
    self->delayed_send(self, config.retry_interval, tick{});
}

/// After one of these the store takes nothing any more; every other refusal is about one batch.
bool ends_writing(const fault& reason) {
  return reason.code == errc::store_full || reason.code == errc::store_failed;
}

/// Order is kept: while anything waits, newcomers wait behind it.
void hand_over(self_pointer self, const journal_config& config, uint64_t ticket, append_batch&& batch) {
  auto& state = self->state;
  if (state.failed)
    return refuse(self, ticket, *state.failed);
  if (state.waiting.empty()) {
    // The writer leaves a batch alone that it refuses, so it can be kept.
    auto taken = config.writer->submit(ticket, std::move(batch));
    if (taken)
      return;
    if (taken.error().code != errc::busy) {
      if (ends_writing(taken.error()))
        state.failed = taken.error();
      return refuse(self, ticket, taken.error());
    }
  }
  if (state.waiting.size() >= config.max_waiting)
    return refuse(self, ticket,
                  {errc::busy, "the journal's line is full", {}, "the disk is too slow; try again"});
  state.waiting.push_back({ticket, std::move(batch)});
  start_ticking(self, config);
}

void drain_waiting(self_pointer self, const journal_config& config) {
  auto& state = self->state;
  while (!state.waiting.empty()) {
    auto& first = state.waiting.front();
    std::optional<fault> refusal = state.failed;
    if (!refusal) {
      auto taken = config.writer->submit(first.ticket, std::move(first.batch));
      if (!taken && taken.error().code == errc::busy)
        return start_ticking(self, config);
      if (!taken)
        refusal = taken.error();
    }
    if (refusal) {
      if (ends_writing(*refusal))
        state.failed = refusal;
      refuse(self, first.ticket, *refusal);
    }
    state.waiting.pop_front();
  }
}

uint64_t open_ticket(self_pointer self, journal_state::open_ticket ticket) {
  const uint64_t number = self->state.next_ticket++;
  self->state.open.emplace(number, std::move(ticket));
  ++self->state.batches;
  return number;
}

caf::result<committed> append_for_requester(self_pointer self, const journal_config& config,
                                            append_batch&& batch) {
  auto promise = self->make_response_promise<committed>();
  const auto ticket = open_ticket(self, {batch.watermark, commit_sink_actor{}, promise});
  hand_over(self, config, ticket, std::move(batch));
  return promise;
}

void on_report(self_pointer self, const journal_config& config, writer_reported& report) {
  notices out;
  publish_events news;
  for (auto& done : report.tickets) {
    if (done.error && !self->state.failed && ends_writing(*done.error))
      self->state.failed = done.error;
    std::move(done.events.begin(), done.events.end(), std::back_inserter(news.events));
    const auto found = self->state.open.find(done.ticket);
    if (found == self->state.open.end())
      continue;
    answer(out, found->second, committed{found->second.watermark, done.last_seq, done.error});
    self->state.open.erase(found);
  }
  if (!news.events.empty())
    self->send(config.event_hub, std::move(news));
  send_notices(self, out);
}

gauges read(self_pointer self) {
  return gauges{{{metric::journal_open_batches, {}, static_cast<double>(self->state.open.size())},
                 {metric::journal_waiting_batches, {}, static_cast<double>(self->state.waiting.size())},
                 {metric::journal_batches_total, {}, static_cast<double>(self->state.batches)},
                 {metric::journal_read_only, {}, self->state.failed ? 1.0 : 0.0}},
                {}};
}

} // namespace

journal_actor::behavior_type journal(self_pointer self, journal_config config) {
  // Reports to an earlier incarnation must not be taken for this one's.
  self->state.next_ticket = (static_cast<uint64_t>(self->id()) << 32) + 1;
  config.writer->report_to(journal_actor{self});
  return {
      [self, config](append& message) {
        const auto ticket = open_ticket(self, {message.batch.watermark, std::move(message.owner), {}});
        hand_over(self, config, ticket, std::move(message.batch));
      },
      [self, config](append_and_wait& message) {
        return append_for_requester(self, config, std::move(message.batch));
      },
      [self, config](const flush_journal&) { return append_for_requester(self, config, append_batch{}); },
      [self](const read_gauges&) { return read(self); },
      [self, config](writer_reported& report) { on_report(self, config, report); },
      [self, config](const tick&) {
        self->state.ticking = false;
        drain_waiting(self, config);
      },
  };
}

} // namespace assay
