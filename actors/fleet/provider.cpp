#include "actors/fleet/provider.hpp"

#include "actors/fleet/provider_detail.hpp"
#include "core/codecs/wire_codec.hpp"

#include <caf/send.hpp>

#include <algorithm>
#include <limits>

namespace assay {

using namespace provider_detail;

namespace {

constexpr uint32_t least_credit = 64;

/// The configuration's limits count; what the run has pinned goes before its names and prices, and stands for
/// a model that is not configured.
model_profile profile_of(const provider_config& config, const lane& where) {
  auto known = config.find_model(where.model);
  model_profile out = known ? std::move(*known) : model_profile{};
  out.id = where.model;
  out.provider = config.profile.id;
  if (!where.wire_model.empty())
    out.wire_model = where.wire_model;
  if (where.prices)
    out.prices = where.prices;
  out.limits = tighter(out.limits, config.profile.limits);
  return out;
}

/// A second's worth of the limit, so that a newcomer does not stand behind many more.
uint32_t most_acquiring(const rate_limits& limits) {
  constexpr uint32_t without_limit = 256;
  constexpr uint32_t least = 4;
  if (limits.requests_per_minute == 0)
    return without_limit;
  return std::clamp(limits.requests_per_minute / 60, least, without_limit);
}

control::aimd_options window_options(const model_profile& profile, const provider_key& key,
                                     const provider_config& config) {
  auto options = config.in_flight;
  options.cap = std::max(1U, tighter(options.cap, profile.limits.concurrent_requests));
  options.cap = std::max(1U, tighter(options.cap, key.limits.concurrent_requests));
  options.cap = std::max(1U, tighter(options.cap, config.profile.max_connections));
  if (profile.in_flight)
    options.fixed = *profile.in_flight == in_flight_rule::fixed;
  return options;
}

model_state* find_or_add_model(self_pointer self, const config_ptr& config, const lane& where) {
  auto& models = self->state.models;
  if (const auto found = models.find(where.model); found != models.end())
    return found->second.get();
  auto past = recall(*config, where.model);
  auto added = std::make_unique<model_state>();
  added->profile = profile_of(*config, where);
  added->breaker = control::breaker{config->breaker, past.breaker, self->clock().now(), past.elapsed};
  added->last_failure = std::move(past.last_failure);
  added->tokens = control::token_calibration{past.tokens};
  if (added->tokens.observations() > 0)
    added->told_log_factor = past.tokens.log_factor;
  for (const auto& one : self->state.keys) {
    added->gates.push_back(make_gate(*config, added->profile, one.key, past.windows[one.key.name],
                                     std::move(past.limiters[one.key.name])));
    added->gates.back().retired = one.retired;
  }
  auto& model = *models.emplace(where.model, std::move(added)).first->second;
  apply_share(self, model);
  for (size_t key = 0; key < model.gates.size(); ++key)
    if (!model.gates[key].retired)
      start_limiter(self, config, model, key, config->restarted);
  return &model;
}

void add_lane(self_pointer self, const config_ptr& config, const open_lane& wish) {
  auto& state = self->state;
  auto& lane = state.lanes[{wish.where.run, wish.where.model}];
  lane.sink = wish.sink;
  if (state.watched_sinks.insert(wish.sink.address()).second)
    self->monitor(wish.sink);
  lane.where = wish.where;
  lane.model = find_or_add_model(self, config, wish.where);
  auto profile = profile_of(*config, wish.where);
  const auto& rates = codecs::rates_of(codecs::family_of(config->profile.protocol, profile.wire_model));
  lane.pinned = std::make_shared<const provider_state::pinned_model>(
      provider_state::pinned_model{std::move(profile.wire_model), profile.prices, &rates});
  lane.credit = 0;
  // Whoever starts or retries a run may have mended the keys.
  if (std::ranges::all_of(state.keys, [](const key_state& key) { return key.retired || key.out; }))
    for (auto& key : state.keys)
      key.out_since = control::steady_time::min();
  update_credit(self, *config, *lane.model);
}

void pass_delta(self_pointer self, call_delta&& delta) {
  const auto open = self->state.calls.find(delta.id);
  if (open == self->state.calls.end())
    return;
  note_received(open->second, delta);
  const auto lane = self->state.lanes.find({open->second.run, open->second.model->profile.id});
  if (lane != self->state.lanes.end())
    self->send(lane->second.sink, std::move(delta));
  open->second.streamed = true;
}

void pass_taken(self_pointer self, const deltas_taken& taken) {
  const auto open = self->state.calls.find(taken.id);
  if (open != self->state.calls.end() && open->second.phase == call_phase::exchanging)
    if (const auto& wire = self->state.keys[open->second.key].wire)
      self->send(wire, taken);
}

} // namespace

size_t provider_state::model_state::waiting() const noexcept {
  size_t sum = 0;
  for (const auto& line : lines)
    sum += line->queue.size();
  return sum;
}

uint32_t provider_state::model_state::exchanging() const noexcept {
  uint32_t sum = 0;
  for (const auto& gate : gates)
    sum += gate.exchanging;
  return sum;
}

uint32_t provider_state::model_state::window() const noexcept {
  uint32_t sum = 0;
  for (const auto& gate : gates)
    sum += gate.retired ? 0 : gate.window.limit();
  return sum;
}

provider_state::~provider_state() {
  std::map<call_sink_actor, std::vector<call_id>> last_words;
  for (const auto& [run, lane] : lanes)
    last_words[lane.sink];
  for (const auto& [call, open] : calls) {
    const auto lane = lanes.find({open.run, open.model->profile.id});
    const bool costs = open.request.kind != call_kind::count_tokens;
    if (lane != lanes.end() && costs && (open.billed || open.phase == call_phase::exchanging))
      last_words[lane->second.sink].push_back(call);
  }
  for (auto& [sink, sent] : last_words)
    caf::anon_send(sink, calls_on_the_wire{id, std::move(sent)});
}

namespace provider_detail {

gate_state make_gate(const provider_config& config, const model_profile& profile, const provider_key& key,
                     const control::aimd_state& learnt, std::string memory) {
  gate_state out{window_options(profile, key, config), learnt, config.limits};
  out.limiter_memory = std::move(memory);
  out.most_acquiring = most_acquiring(tighter(profile.limits, key.limits));
  return out;
}

void outcome_box::add(run_id run, call_outcome&& outcome) {
  auto& batch = by_run_[run];
  batch.run = run;
  batch.outcomes.push_back(std::move(outcome));
}

void outcome_box::move_to(outcome_box& other) {
  for (auto& [run, batch] : by_run_)
    for (auto& outcome : batch.outcomes)
      other.add(run, std::move(outcome));
  by_run_.clear();
}

void outcome_box::send(self_pointer self) {
  for (auto& [run, batch] : by_run_) {
    // All lanes of a run have one sink.
    const auto lane = self->state.lanes.lower_bound({run, model_id{}});
    if (lane != self->state.lanes.end() && lane->first.first == run)
      self->send(lane->second.sink, std::move(batch));
  }
  by_run_.clear();
}

namespace {

/// How often a lane hears at most how many of its calls are on the wire.
constexpr auto least_between_counts = std::chrono::milliseconds{500};

void tell_credit(self_pointer self, const provider_config& config, const provider_state::lane_id& which,
                 const provider_state::lane_state& lane) {
  self->send(lane.sink, lane_credit{which.first, lane.credit, which.second, config.profile.id, lane.available,
                                    lane.why, lane.told_on_the_wire, 0, lane.told_at_most});
}

} // namespace

/// Two windows' worth, so that the line is never empty while answers travel back and new calls forth. Small
/// changes are not worth a message.
void update_credit(self_pointer self, const provider_config& config, model_state& model) {
  const uint32_t of_window = std::max(least_credit, 2 * model.window());
  const bool available = takes_calls(self, config, model);
  const auto why = reason_to_wait(self, config, model);
  for (auto& [where, lane] : self->state.lanes) {
    if (lane.model != &model)
      continue;
    // Without more credit a run cannot have more calls in flight.
    const uint32_t wanted = std::clamp(lane.where.rules.num_concurrent.value_or(of_window), 1U, of_window);
    const uint32_t wire = std::min(wanted, std::max(1U, model.window()));
    const uint32_t difference = wanted > lane.credit ? wanted - lane.credit : lane.credit - wanted;
    // A window that has grown is no small change: the run has it on record before it is used.
    if (lane.credit != 0 && difference * 10 < lane.credit && lane.available == available && lane.why == why
        && wire <= lane.told_at_most)
      continue;
    lane.told_at_most = wire;
    lane.credit = wanted;
    lane.available = available;
    lane.why = why;
    tell_credit(self, config, where, lane);
    // Only time makes the model ready again, and whoever keeps calls away waits to hear of it.
    if (!available)
      start_ticking(self, config);
  }
}

bool tell_counts(self_pointer self, const provider_config& config) {
  const auto now = self->clock().now();
  bool all_told = true;
  for (auto& [which, lane] : self->state.lanes) {
    if (lane.told_on_the_wire == *lane.on_the_wire)
      continue;
    if (now - lane.wire_told_at < least_between_counts) {
      all_told = false;
      continue;
    }
    lane.wire_told_at = now;
    lane.told_on_the_wire = *lane.on_the_wire;
    tell_credit(self, config, which, lane);
  }
  return all_told;
}

/// Waits that are shorter are no news.
constexpr auto least_told_wait = std::chrono::seconds{2};

/// Stable as long as the cause is: a change of it is told to everybody.
std::string reason_to_wait(self_pointer self, const provider_config& config, const model_state& model) {
  const auto now = self->clock().now();
  const auto of = [&](std::string_view what) {
    return "provider " + config.profile.id.value + " (" + config.profile.base_url + ") " + std::string(what);
  };
  if (model.breaker.state() == control::breaker_state::open && model.breaker.retry_in(now) > nanoseconds{0})
    return of("does not answer" + (model.last_failure.empty() ? "" : ": " + model.last_failure)
              + "; it is tried again by itself");
  if (!has_hope(self, config))
    return of("takes none of its keys: " + model.last_failure + "; mend or replace them");
  if (std::ranges::all_of(model.gates, [&](const gate_state& gate) {
        return gate.retired || gate.closed_until > now + least_told_wait;
      }))
    return of("asks to wait (429); it is asked again by itself");
  return {};
}

bool takes_calls(self_pointer self, const provider_config& config, const model_state& model) {
  const bool rests = model.breaker.state() == control::breaker_state::open
                     && model.breaker.retry_in(self->clock().now()) > nanoseconds{0};
  return !rests && has_hope(self, config);
}

void close_lanes(self_pointer self, run_id run) {
  std::erase_if(self->state.lanes, [&](const auto& entry) { return entry.first.first == run; });
}

} // namespace provider_detail

provider_actor::behavior_type provider(self_pointer self, provider_config given,
                                       provider_supervisor_actor parent) {
  // Handlers share one copy; the profile in it holds the key.
  const auto config = std::make_shared<const provider_config>(std::move(given));
  auto& state = self->state;
  state.id = config->profile.id;
  state.parent = std::move(parent);
  state.chance = dice{config->seed};
  state.budget = config->retry_budget;
  state.retries = config->retries;
  state.wheel.emplace(self->clock().now(), config->tick_interval);
  state.counts_tokens = codecs::make_codec(config->profile)->counts_tokens();
  state.family.shield(self);
  self->set_down_handler([self, config](const caf::down_msg& down) { on_down(self, config, down); });
  for (auto& key : keys_of(config->profile))
    state.keys.emplace_back(std::move(key), config->limits);
  recall_keys(self, config);
  for (size_t key = 0; key < state.keys.size(); ++key)
    start_wire(self, config, key);
  meet_monitor(self, *config);
  tell_keys(self, *config);
  start_health_checks(self, *config);
  return {
      [self, config](const open_lane& wish) { add_lane(self, config, wish); },
      [self, config](call_batch& batch) { enqueue(self, config, batch); },
      [self, config](const withdraw_calls& wish) { withdraw(self, config, wish); },
      [self, config](const recall_calls& wish) { recall(self, config, wish.run); },
      [self](const deltas_taken& taken) { pass_taken(self, taken); },
      [self](const close_lane& wish) { close_lanes(self, wish.run); },
      [self, config](const slots_granted& granted) { on_granted(self, config, granted); },
      [self, config](const slots_delayed& news) { on_delayed(self, config, news); },
      [self, config](const limiter_memory& memory) {
        const auto found = self->state.models.find(memory.model);
        if (found != self->state.models.end() && memory.key < found->second->gates.size()) {
          found->second->gates[memory.key].limiter_memory = memory.state;
          self->state.memory_changed = true;
        }
        remember(self, config);
      },
      [self, config](exchange_result_batch& batch) { on_results(self, config, batch); },
      [self](call_delta& delta) { pass_delta(self, std::move(delta)); },
      [self, config](const connection_probed& probed) { on_probed(self, config, probed); },
      [self, config](const tune_provider& wish) { tune(self, config, wish); },
      [self, config](const read_gauges& asked) { return gather_gauges(self, *config, asked); },
      [self, config](const tick&) { on_tick(self, config); },
      [self, config](const keys_changed&) { change_keys(self, config); },
      [self, config](const check_health&) { on_check_health(self, config); },
  };
}

} // namespace assay
