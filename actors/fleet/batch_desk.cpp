#include "actors/fleet/batch_desk.hpp"

#include "actors/fleet/batch_desk_detail.hpp"
#include "protocol/errors.hpp"

#include <algorithm>
#include <utility>

namespace assay {

using namespace batch_desk_detail;

namespace batch_desk_detail {

namespace {

/// What a call's texts take.
size_t bytes_of(const call& request) {
  size_t bytes = 256;
  for (const auto& message : request.messages)
    bytes += message.content.size();
  return bytes;
}

bool is_at_provider(const chunk& which) noexcept {
  return !which.batch.empty() && which.now != phase::holding;
}

uint64_t calls_in_batches(const batch_desk_state& state, const lane_state& lane) {
  uint64_t sum = 0;
  for (const auto& id : lane.chunks)
    if (const auto& which = state.chunks.at(id); is_at_provider(which))
      sum += static_cast<uint64_t>(
          std::ranges::count_if(which.rows, [](const auto& row) { return row.asked.has_value(); }));
  return sum;
}

/// A run whose texts fill its share of memory gets no more calls out until some are answered.
uint32_t credit_of(const lane_state& lane, const batch_desk_config& config) {
  if (lane.bytes <= config.max_lane_bytes)
    return config.lane_credit;
  return std::max<uint32_t>(1, static_cast<uint32_t>(std::min<size_t>(lane.out.size(), config.lane_credit)));
}

void tell(self_pointer self, const config_ptr& config, lane_state& lane) {
  if (!lane.sink)
    return;
  const std::tuple now{credit_of(lane, *config), calls_in_batches(self->state, lane),
                       waits_for_budget(self, *config, lane)};
  if (std::exchange(lane.told, now) == now)
    return;
  lane_credit news{lane.where.run, std::get<0>(now), lane.where.model, lane.where.provider, true};
  if (std::get<2>(now))
    news.why = "waits for its budget: batches and calls that are out hold what is left of it";
  news.in_batches = std::get<1>(now);
  self->send(lane.sink, std::move(news));
}

void flush_online(self_pointer self, const config_ptr& config, lane_state& lane) {
  call_batch batch{lane.where, {}, own_sink(self)};
  while (!lane.online_waiting.empty() && lane.online.size() < lane.router_credit) {
    lane.online.insert(lane.online_waiting.front().id);
    batch.calls.push_back(std::move(lane.online_waiting.front()));
    lane.online_waiting.pop_front();
  }
  if (!batch.calls.empty())
    self->send(config->router, std::move(batch));
}

call_outcome failed(call&& request, fault reason, bool billed, wall_time now) {
  call_outcome out;
  out.id = request.id;
  out.failures = std::move(request.failures);
  out.possibly_billed =
      billed || std::ranges::any_of(out.failures, [](const auto& one) { return one.possibly_billed; });
  out.error = std::move(reason);
  out.finished_at = now;
  return out;
}

} // namespace

call_sink_actor own_sink(self_pointer self) { return caf::actor_cast<call_sink_actor>(self); }

void start_ticking(self_pointer self, const config_ptr& config) {
  if (!std::exchange(self->state.ticking, true))
    self->delayed_send(self, config->tick_interval, tick{});
}

void answers::back(run_id run, call_outcome&& outcome) {
  const auto found = self_->state.lanes.find(run);
  if (found == self_->state.lanes.end())
    return;
  auto& lane = found->second;
  const auto out = lane.out.find(outcome.id);
  if (out == lane.out.end())
    return;
  lane.bytes -= out->second;
  lane.out.erase(out);
  touched_.insert(run);
  auto& batch = batches_[run];
  batch.run = run;
  batch.outcomes.push_back(std::move(outcome));
}

void answers::refuse(run_id run, call&& request, fault reason, bool billed) {
  back(run, failed(std::move(request), std::move(reason), billed, config_->wall()));
}

void answers::online(run_id run, call&& request) {
  const auto found = self_->state.lanes.find(run);
  if (found == self_->state.lanes.end() || !found->second.out.contains(request.id))
    return;
  touched_.insert(run);
  found->second.online_waiting.push_back(std::move(request));
}

void answers::send() {
  if (auto seen = std::exchange(observations_, {}); config_->monitor && !seen.calls.empty())
    self_->send(config_->monitor, std::move(seen));
  for (auto& [run, batch] : batches_)
    if (const auto lane = self_->state.lanes.find(run); lane != self_->state.lanes.end() && lane->second.sink)
      self_->send(lane->second.sink, std::move(batch));
  batches_.clear();
  for (auto& [run, lane] : self_->state.lanes) {
    if (touched_.contains(run))
      flush_online(self_, config_, lane);
    tell(self_, config_, lane);
  }
  touched_.clear();
}

void gather_again(self_pointer self, lane_state& lane, std::vector<std::pair<call, std::string>>&& calls) {
  if (calls.empty())
    return;
  for (auto it = calls.rbegin(); it != calls.rend(); ++it) {
    lane.gathering_bytes += bytes_of(it->first);
    lane.gathering.push_front(std::move(*it));
  }
  if (!lane.gathering_since)
    lane.gathering_since = self->clock().now();
}

} // namespace batch_desk_detail

namespace {

// -- calls -------------------------------------------------------------------------------------------------

void on_calls(self_pointer self, const config_ptr& config, call_batch& batch) {
  auto& state = self->state;
  const auto run = batch.where.run;
  const auto found = state.lanes.find(run);
  if (found == state.lanes.end() || !found->second.sink) {
    call_outcome_batch answer{run, {}};
    for (auto& request : batch.calls)
      answer.outcomes.push_back(
          failed(std::move(request),
                 {errc::internal, "calls came for a lane that was never opened", to_string(run), {}}, false,
                 config->wall()));
    return self->send(batch.sink, std::move(answer));
  }
  auto& lane = found->second;
  answers out{self, config};
  for (auto& request : batch.calls) {
    const auto bytes = bytes_of(request);
    lane.out.emplace(request.id, bytes);
    lane.bytes += bytes;
    if (!lane.has_batches) {
      out.online(run, std::move(request));
      continue;
    }
    auto question =
        question_of(lane, state.accounts[state.accounts_of.at(lane.where.provider).front()].profile, request);
    if (claim(self, config, lane, request, question, out))
      continue;
    lane.gathering_bytes += bytes;
    lane.gathering.emplace_back(std::move(request), std::move(question));
    if (!lane.gathering_since)
      lane.gathering_since = self->clock().now();
  }
  out.send();
  start_ticking(self, config);
}

/// From the router.
void on_outcomes(self_pointer self, const config_ptr& config, call_outcome_batch& batch) {
  const auto found = self->state.lanes.find(batch.run);
  if (found == self->state.lanes.end())
    return;
  answers out{self, config};
  for (auto& outcome : batch.outcomes) {
    found->second.online.erase(outcome.id);
    out.back(batch.run, std::move(outcome));
  }
  out.send();
}

void on_credit(self_pointer self, const config_ptr& config, const lane_credit& credit) {
  const auto found = self->state.lanes.find(credit.run);
  if (found == self->state.lanes.end())
    return;
  found->second.router_credit = credit.calls;
  flush_online(self, config, found->second);
}

// -- time and I/O ------------------------------------------------------------------------------------------

/// A full batch goes at once, others when nothing has joined them for long enough.
bool is_due(batch_desk_state& state, const batch_desk_config& config, const lane_state& lane,
            batch_desk_state::steady_time now) {
  if (lane.gathering.empty() || !lane.has_batches || (lane.hold_until && now < *lane.hold_until)
      || paying_of(state, lane) != nullptr)
    return false;
  return lane.gathering.size() >= config.max_calls || lane.gathering_bytes >= config.max_bytes
         || now - *lane.gathering_since >= config.gather;
}

void on_io(self_pointer self, const config_ptr& config, const io_completed& done) {
  auto& state = self->state;
  for (const auto& piece : done.pieces) {
    const auto owner = state.requests.find(piece.id);
    if (owner == state.requests.end())
      continue;
    auto& which = state.chunks.at(owner->second);
    auto& wire = *state.accounts[which.account].wire;
    if (which.body.size() + piece.bytes.size() > config->max_result_bytes)
      wire.cancel({piece.id});
    else
      which.body.append(piece.bytes.view());
    wire.grant({{piece.id, piece.bytes.size()}});
  }
  answers out{self, config};
  for (const auto& outcome : done.outcomes) {
    const auto owner = state.requests.extract(outcome.id);
    if (!owner)
      continue;
    auto& which = state.chunks.at(owner.mapped());
    which.request = 0;
    on_reply(self, config, which, outcome, out);
  }
  out.send();
}

/// The sockets keep their own deadlines; this one stands behind them.
void expire_request(self_pointer self, const config_ptr& config, chunk& which, answers& out) {
  auto& state = self->state;
  http_outcome lost;
  lost.id = which.request;
  lost.error = errc::provider_timeout;
  lost.error_message = "the request did not end in its time";
  lost.request_written = true;
  state.requests.erase(which.request);
  state.accounts[which.account].wire->cancel({which.request});
  which.request = 0;
  on_reply(self, config, which, lost, out);
}

void on_chunk_tick(self_pointer self, const config_ptr& config, chunk& which,
                   batch_desk_state::steady_time now, answers& out) {
  if (which.give_back_at && now >= *which.give_back_at) {
    which.give_back_at.reset();
    if (const auto lane = self->state.lanes.find(which.run); lane != self->state.lanes.end())
      end_calls_of(lane->second, which, true, out);
    if (which.cancel_sent)
      return drop(self, config, which.label.chunk);
  }
  if (which.request != 0 && now >= which.request_until)
    return expire_request(self, config, which, out);
  if (which.request == 0 && which.due && now >= *which.due)
    step(self, config, which, out);
}

/// Those of keys that are gone, once their batches are over.
void close_unused_accounts(batch_desk_state& state) {
  for (size_t i = 0; i < state.accounts.size(); ++i) {
    auto& one = state.accounts[i];
    const auto& current = state.accounts_of.at(one.profile.id);
    if (!one.wire || std::ranges::find(current, i) != current.end()
        || std::ranges::any_of(state.chunks, [&](const auto& entry) { return entry.second.account == i; }))
      continue;
    one.wire->close();
    one.wire.reset();
  }
}

void on_tick(self_pointer self, const config_ptr& config) {
  auto& state = self->state;
  const auto now = self->clock().now();
  state.ticking = false;
  answers out{self, config};
  if (!state.recalled)
    begin_recall(self, config);
  else
    for (auto& [run, lane] : state.lanes)
      while (lane.sink && is_due(state, *config, lane, now))
        cut(self, config, lane, out);
  std::vector<std::string> ids;
  ids.reserve(state.chunks.size());
  for (const auto& [id, which] : state.chunks)
    ids.push_back(id);
  for (const auto& id : ids)
    if (const auto found = state.chunks.find(id); found != state.chunks.end())
      on_chunk_tick(self, config, found->second, now, out);
  close_unused_accounts(state);
  out.send();
  if (!state.lanes.empty() || !state.chunks.empty() || !state.recalled)
    start_ticking(self, config);
}

void on_down(self_pointer self, const config_ptr& config, const caf::down_msg& down) {
  if (down.source == config->router.address() || down.source == config->journal.address()
      || (config->budgets && down.source == config->budgets.address()))
    return self->quit(to_caf_error(
        {errc::actor_lost, "the router, the journal or the budget keeper ended", "batch-desk", {}}));
  std::vector<run_id> orphans;
  for (const auto& [run, lane] : self->state.lanes)
    if (lane.sink && lane.sink.address() == down.source)
      orphans.push_back(run);
  for (const auto run : orphans)
    suspend(self, config, run);
}

gauges read(const batch_desk_state& state) {
  size_t calls = 0;
  for (const auto& [run, lane] : state.lanes)
    calls += lane.out.size();
  const auto open = std::ranges::count_if(
      state.chunks, [](const auto& entry) { return entry.second.now != phase::holding; });
  const auto number = [](metric family, auto value) { return gauge{family, {}, static_cast<double>(value)}; };
  return {{number(metric::batch_calls, calls), number(metric::batches_open, open),
           number(metric::batches_created_total, state.created),
           number(metric::batches_adopted_total, state.adopted),
           number(metric::batch_answers_total, state.answered),
           number(metric::batch_retries_total, state.retried)},
          {}};
}

/// @returns the accounts that the provider's keys make.
std::vector<account> accounts_from(const provider_profile& provider) {
  auto keys = provider.keys;
  if (keys.empty())
    keys.push_back({{}, provider.key, {}, 1, {}, {}});
  // A key that is bound to prompt types serves others only when there is no other.
  if (std::ranges::any_of(keys, [](const auto& key) { return key.prompt_types.empty(); }))
    std::erase_if(keys, [](const auto& key) { return !key.prompt_types.empty(); });
  std::vector<account> out;
  for (auto& key : keys) {
    account one;
    one.profile = provider;
    one.profile.keys.clear();
    one.profile.key = key.value;
    one.codec = codecs::make_batch_codec(one.profile);
    if (!one.codec)
      continue;
    one.one_of_many = keys.size() > 1;
    one.key = std::move(key);
    out.push_back(std::move(one));
  }
  return out;
}

/// Accounts stay where they are, since batches know them by their places.
void look_at_accounts(batch_desk_state& state, const batch_desk_config& config) {
  for (const auto& configured : config.providers) {
    if (!configured.batches.available)
      continue;
    auto provider = configured;
    if (auto now = config.find_profile ? config.find_profile(provider.id) : std::nullopt) {
      provider.key = std::move(now->key);
      provider.keys = std::move(now->keys);
    }
    std::vector<size_t> places;
    for (auto& one : accounts_from(provider)) {
      const auto known = std::ranges::find_if(state.accounts, [&](const account& other) {
        return other.profile.id == provider.id && other.profile.key == one.profile.key;
      });
      places.push_back(static_cast<size_t>(known - state.accounts.begin()));
      if (known == state.accounts.end())
        state.accounts.push_back(std::move(one));
      else
        known->one_of_many = one.one_of_many;
    }
    if (!places.empty())
      state.accounts_of[provider.id] = std::move(places);
  }
}

} // namespace

batch_desk_state::~batch_desk_state() {
  for (auto& one : accounts)
    if (one.wire)
      one.wire->close();
}

batch_desk_actor::behavior_type batch_desk(self_pointer self, batch_desk_config given) {
  const auto config = std::make_shared<const batch_desk_config>(std::move(given));
  look_at_accounts(self->state, *config);
  self->monitor(config->router);
  self->monitor(config->journal);
  if (config->budgets)
    self->monitor(config->budgets);
  self->set_down_handler([self, config](const caf::down_msg& down) { on_down(self, config, down); });
  begin_recall(self, config);
  start_ticking(self, config);
  return {
      [self, config](const open_lane& wish) { add_lane(self, config, wish); },
      [self, config](call_batch& batch) { on_calls(self, config, batch); },
      [self, config](const withdraw_calls& wish) { withdraw(self, config, wish); },
      [](const recall_calls&) {}, // Nobody stands before the desk who could take the calls.
      [self, config](const deltas_taken& taken) { self->send(config->router, taken); },
      [self, config](const close_lane& wish) { close(self, config, wish); },
      [self, config](call_outcome_batch& batch) { on_outcomes(self, config, batch); },
      [self, config](const lane_credit& credit) { on_credit(self, config, credit); },
      [](const call_delta&) {},        // What goes in batches is never streamed.
      [](const calls_on_the_wire&) {}, // The router's business.
      [self, config](const committed& news) {
        answers out{self, config};
        on_committed(self, config, news, out);
        out.send();
      },
      [self, config](const lease_granted& news) {
        answers out{self, config};
        on_lease(self, config, news, out);
        out.send();
      },
      [self, config](const lease_refused& news) {
        answers out{self, config};
        on_lease(self, config, news, out);
        out.send();
      },
      [](const lease_recalled&) {}, // All that it holds is for batches that are being worked on.
      [self](const read_gauges&) { return read(self->state); },
      [self, config](const keys_changed&) {
        look_at_accounts(self->state, *config);
        close_unused_accounts(self->state);
      },
      [self, config](batches_recalled& found) { on_recalled(self, config, found); },
      [self, config](batch_encoded& done) {
        answers out{self, config};
        on_encoded(self, config, done, out);
        out.send();
      },
      [self, config](batch_results_read& done) {
        answers out{self, config};
        on_results(self, config, done, out);
        out.send();
      },
      [self, config](const io_completed& done) { on_io(self, config, done); },
      [self, config](const tick&) { on_tick(self, config); },
  };
}

} // namespace assay
