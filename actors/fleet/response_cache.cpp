#include "actors/fleet/response_cache.hpp"

#include "actors/fleet/kept_vectors.hpp"
#include "actors/fleet/response_cache_detail.hpp"
#include "core/codecs/answer_key.hpp"
#include "protocol/errors.hpp"
#include "protocol/outcomes.hpp"

#include <boost/pfr.hpp>

#include <algorithm>
#include <iterator>
#include <utility>

namespace assay {

using namespace response_cache_detail;

namespace {

using lane_state = response_cache_state::lane_state;
using open_call = response_cache_state::open_call;
using flight = response_cache_state::flight;

static_assert(boost::pfr::tuple_size_v<call> == 15,
              "a call has a new member: when it may change the answer, it belongs into question_of()");
static_assert(boost::pfr::tuple_size_v<call_outcome> == 22,
              "an outcome has a new member: what belongs to the answer is kept by entry_of()");

call_sink_actor own_sink(self_pointer self) { return caf::actor_cast<call_sink_actor>(self); }

// -- questions and answers ---------------------------------------------------------------------------------

/// Counts of tokens pass through: they cost nothing.
bool can_be_kept(const call& request) noexcept { return request.kind != call_kind::count_tokens; }

std::string question_of(const lane_state& lane, const call& request) {
  codecs::answer_question question;
  question.protocol = lane.provider->protocol;
  question.base_url = lane.provider->base_url;
  question.wire_model = lane.where.wire_model.empty() ? lane.where.model.value : lane.where.wire_model;
  if (request.kind == call_kind::embed) {
    if (request.inputs) {
      question.inputs = request.inputs->texts;
      question.dimensions = request.inputs->dimensions;
    }
    return codecs::answer_key(question);
  }
  question.messages = request.messages;
  question.parameters = &request.parameters;
  question.options = request.options.get();
  question.repetition = request.repetition;
  return codecs::answer_key(question);
}

/// Whether an answer may serve others later. A withheld one may be given the next time, and one that asks for
/// tools has more than its text.
bool is_complete(const call_outcome& outcome, const storage::cached_answer& entry) {
  if (outcome.embeddings)
    return !outcome.error && !entry.answer.empty();
  return !outcome.error && !outcome.extras
         && (outcome.finish == finish_reason::stop || outcome.finish == finish_reason::length);
}

answer_ptr entry_of(const call_outcome& outcome, wall_time now) {
  storage::cached_answer out;
  out.answer = outcome.embeddings ? pack_vectors(*outcome.embeddings) : outcome.answer;
  out.finish = outcome.finish;
  out.usage = outcome.usage;
  out.usage_estimated = outcome.usage_estimated;
  out.cost = outcome.cost;
  out.http_status = outcome.http_status;
  out.served_model = outcome.served_model;
  out.request_id = outcome.request_id;
  out.simulated = outcome.simulated;
  out.stored_at = now;
  out.used_at = now;
  return std::make_shared<const storage::cached_answer>(std::move(out));
}

/// A streamed answer in one piece, of which nothing is on a wire.
call_delta whole_answer(call_id id, const storage::cached_answer& entry) {
  return {id, {{0, std::string(entry.answer.view()), {}, {}}}, 0};
}

/// The same answer for another call, which costs nothing.
call_outcome given_answer(call_id id, std::vector<attempt_record>&& failures,
                          const storage::cached_answer& entry, wall_time now) {
  call_outcome out;
  out.id = id;
  out.answer = entry.answer;
  out.finish = entry.finish;
  out.usage = entry.usage;
  out.usage_estimated = entry.usage_estimated;
  out.cost = money{};
  out.http_status = entry.http_status;
  out.served_model = entry.served_model;
  out.request_id = entry.request_id;
  out.simulated = entry.simulated;
  out.failures = std::move(failures);
  out.finished_at = now;
  out.cached = true;
  out.saved = entry.cost;
  return out;
}

// -- lanes -------------------------------------------------------------------------------------------------

void start_ticking(self_pointer self, const config_ptr& config) {
  if (!std::exchange(self->state.ticking, true))
    self->delayed_send(self, config->tick_interval, tick{});
}

/// Who asks the providers for a lane.
const call_target_actor& behind(const response_cache_config& config, const lane& where) {
  return where.way == call_way::batch && config.batches ? config.batches : config.router;
}

void add_lane(self_pointer self, const config_ptr& config, const open_lane& wish) {
  auto& lane = self->state.lanes[wish.where.run];
  lane.sink = wish.sink;
  if (self->state.watched_sinks.insert(wish.sink.address()).second)
    self->monitor(wish.sink);
  lane.where = wish.where;
  // An answer of one model of a route is not taken for another's.
  if (lane.where.cache != cache_use::off && lane.where.route.models.empty())
    lane.provider = config->find_provider(lane.where.provider);
  self->send(behind(*config, lane.where), open_lane{lane.where, own_sink(self)});
  if (lane.credit > 0)
    self->send(lane.sink, lane_credit{wish.where.run, lane.credit});
  begin_counting(self, config);
  start_ticking(self, config);
}

/// Gathers what goes out, one message for each run and direction.
struct traffic {
  std::map<run_id, call_outcome_batch> outcomes;
  std::map<run_id, call_batch> calls;

  void back(run_id run, call_outcome&& outcome) {
    auto& batch = outcomes[run];
    batch.run = run;
    batch.outcomes.push_back(std::move(outcome));
  }
  void on(run_id run, call&& request) { calls[run].calls.push_back(std::move(request)); }

  void send(self_pointer self, const config_ptr& config) {
    for (auto& [run, batch] : outcomes)
      if (const auto lane = self->state.lanes.find(run); lane != self->state.lanes.end())
        self->send(lane->second.sink, std::move(batch));
    for (auto& [run, batch] : calls) {
      const auto lane = self->state.lanes.find(run);
      if (lane == self->state.lanes.end())
        continue;
      batch.where = lane->second.where;
      batch.sink = own_sink(self);
      self->send(behind(*config, lane->second.where), std::move(batch));
    }
  }
};

// -- flights -----------------------------------------------------------------------------------------------

/// The next one that waits is sent itself. The others go on waiting: should they all be sent, a provider in
/// trouble would get the same question many times at once.
void lead_again(response_cache_state& state, std::unordered_map<std::string, flight>::iterator which,
                traffic& out) {
  auto& followers = which->second.followers;
  while (!followers.empty()) {
    const auto id = followers.front();
    followers.pop_front();
    const auto next = state.calls.find(id);
    // Withdrawn meanwhile.
    if (next == state.calls.end() || !next->second.waiting)
      continue;
    which->second.leader = id;
    out.on(next->second.run, std::move(*next->second.waiting));
    next->second.waiting.reset();
    ++state.misses;
    return;
  }
  state.flights.erase(which);
}

/// Gives everybody who waits the leader's answer, with what no row keeps of it.
void share(self_pointer self, flight& which, const call_outcome& outcome, const storage::cached_answer& entry,
           wall_time now, traffic& out) {
  auto& state = self->state;
  for (const auto id : which.followers) {
    const auto found = state.calls.find(id);
    if (found == state.calls.end() || !found->second.waiting)
      continue;
    auto& follower = found->second;
    if (follower.stream)
      self->send(state.lanes.at(follower.run).sink, whole_answer(id, entry));
    auto given = given_answer(id, std::move(follower.waiting->failures), entry, now);
    given.extras = outcome.extras;
    if (outcome.embeddings) {
      given.answer = {};
      given.embeddings = outcome.embeddings;
    }
    out.back(follower.run, std::move(given));
    state.calls.erase(found);
  }
}

void join_or_lead(response_cache_state& state, const lane_state& lane, call&& request, std::string&& question,
                  traffic& out) {
  const auto run = lane.where.run;
  const auto id = request.id;
  const auto [place, first] = state.flights.try_emplace(question);
  auto& which = place->second;
  which.keeps = which.keeps || lane.where.cache != cache_use::remove;
  open_call one{run, std::move(question), std::nullopt, request.stream};
  if (first) {
    which.leader = id;
    ++state.misses;
    out.on(run, std::move(request));
  } else {
    which.followers.push_back(id);
    ++state.joined;
    one.waiting = std::move(request);
  }
  state.calls.emplace(id, std::move(one));
}

// -- calls -------------------------------------------------------------------------------------------------

std::vector<std::string> questions_of(const lane_state& lane, const std::vector<call>& calls) {
  std::vector<std::string> out;
  out.reserve(calls.size());
  for (const auto& request : calls)
    out.push_back(question_of(lane, request));
  return out;
}

void pass_on(self_pointer self, const config_ptr& config, call_batch&& batch) {
  for (const auto& request : batch.calls)
    self->state.calls.emplace(request.id, open_call{batch.where.run, {}, std::nullopt, request.stream});
  batch.sink = own_sink(self);
  const auto& next = behind(*config, batch.where);
  self->send(next, std::move(batch));
}

/// Sends on what the cache does not keep, and leaves the rest in @p batch.
void pass_on_others(self_pointer self, const config_ptr& config, call_batch& batch) {
  const auto others = std::ranges::stable_partition(batch.calls, can_be_kept);
  if (others.empty())
    return;
  call_batch passing{batch.where, {}, batch.sink};
  passing.calls.assign(std::make_move_iterator(others.begin()), std::make_move_iterator(others.end()));
  batch.calls.erase(others.begin(), others.end());
  pass_on(self, config, std::move(passing));
}

void on_calls(self_pointer self, const config_ptr& config, call_batch& batch) {
  auto& state = self->state;
  const auto now = config->wall();
  const auto found = state.lanes.find(batch.where.run);
  if (found == state.lanes.end()) {
    call_outcome_batch answer{batch.where.run, {}};
    for (auto& request : batch.calls)
      answer.outcomes.push_back(failed_outcome(
          std::move(request),
          {errc::internal, "calls came for a lane that was never opened", to_string(batch.where.run), {}},
          now));
    return self->send(batch.sink, std::move(answer));
  }
  const auto& lane = found->second;
  if (!lane.provider)
    return pass_on(self, config, std::move(batch));
  pass_on_others(self, config, batch);
  if (batch.calls.empty())
    return;
  auto questions = questions_of(lane, batch.calls);
  std::vector<answer_ptr> known(questions.size());
  if (lane.where.cache == cache_use::use)
    known = look_up(self, config, questions);
  traffic out;
  std::vector<fresh_answer> given;
  for (size_t i = 0; i < questions.size(); ++i) {
    auto& request = batch.calls[i];
    const bool wants_vectors = request.kind == call_kind::embed;
    const auto vectors = known[i] && wants_vectors ? unpack_vectors(known[i]->answer.view()) : nullptr;
    if (!known[i] || (wants_vectors && !vectors)) {
      join_or_lead(state, lane, std::move(request), std::move(questions[i]), out);
      continue;
    }
    ++state.hits;
    if (request.stream)
      self->send(lane.sink, whole_answer(request.id, *known[i]));
    auto answer = given_answer(request.id, std::move(request.failures), *known[i], now);
    if (vectors) {
      answer.answer = {};
      answer.embeddings = vectors;
    }
    out.back(lane.where.run, std::move(answer));
    given.push_back({std::move(questions[i]), std::move(known[i])});
  }
  used_again(self, config, given);
  out.send(self, config);
}

/// One answer or failure of a leader.
void settle(self_pointer self, const std::string& question, const call_outcome& outcome, wall_time now,
            traffic& out, std::vector<fresh_answer>& fresh) {
  auto& state = self->state;
  const auto which = state.flights.find(question);
  if (which == state.flights.end() || which->second.leader != outcome.id)
    return;
  if (outcome.error)
    return lead_again(state, which, out);
  const auto entry = entry_of(outcome, now);
  share(self, which->second, outcome, *entry, now, out);
  if (!which->second.keeps)
    fresh.push_back({question, nullptr});
  else if (is_complete(outcome, *entry))
    fresh.push_back({question, entry});
  state.flights.erase(which);
}

void on_outcomes(self_pointer self, const config_ptr& config, call_outcome_batch& batch) {
  auto& state = self->state;
  const auto now = config->wall();
  traffic out;
  std::vector<fresh_answer> fresh;
  for (auto& outcome : batch.outcomes) {
    const auto found = state.calls.find(outcome.id);
    if (found == state.calls.end())
      continue;
    const auto one = std::move(found->second);
    state.calls.erase(found);
    if (!one.question.empty())
      settle(self, one.question, outcome, now, out, fresh);
    out.back(one.run, std::move(outcome));
  }
  // On their way to the store before anybody acts on them, as every answer.
  keep(self, config, std::move(fresh));
  out.send(self, config);
}

void on_delta(self_pointer self, const call_delta& delta) {
  const auto found = self->state.calls.find(delta.id);
  if (found == self->state.calls.end())
    return;
  if (const auto lane = self->state.lanes.find(found->second.run); lane != self->state.lanes.end())
    self->send(lane->second.sink, delta);
}

/// Those that only wait end here; the router ends those that it has. Whoever waits for one of these is not
/// withdrawn with it: when it fails, the next one is sent.
void withdraw(self_pointer self, const config_ptr& config, const withdraw_calls& wish) {
  auto& state = self->state;
  const auto lane = state.lanes.find(wish.run);
  if (lane == state.lanes.end())
    return;
  traffic out;
  for (auto it = state.calls.begin(); it != state.calls.end();) {
    const bool is_meant = wish.calls.empty() || std::ranges::find(wish.calls, it->first) != wish.calls.end();
    if (it->second.run != wish.run || !it->second.waiting || !is_meant) {
      ++it;
      continue;
    }
    out.back(wish.run, failed_outcome(std::move(*it->second.waiting), {errc::cancelled, "withdrawn", {}, {}},
                                      config->wall()));
    it = state.calls.erase(it);
  }
  out.send(self, config);
  self->send(behind(*config, lane->second.where), wish);
}

/// @param comes_back Its sink has fallen and will ask again.
void drop_lane(self_pointer self, const config_ptr& config, run_id run, bool comes_back) {
  auto& state = self->state;
  const auto lane = state.lanes.extract(run);
  if (!lane)
    return;
  self->send(behind(*config, lane.mapped().where), close_lane{run, comes_back});
  std::vector<std::string> left;
  for (auto it = state.calls.begin(); it != state.calls.end();) {
    if (it->second.run != run) {
      ++it;
      continue;
    }
    if (!it->second.waiting && !it->second.question.empty())
      left.push_back(std::move(it->second.question));
    it = state.calls.erase(it);
  }
  traffic out;
  for (const auto& question : left)
    if (const auto which = state.flights.find(question); which != state.flights.end())
      lead_again(state, which, out);
  out.send(self, config);
}

void on_down(self_pointer self, const config_ptr& config, const caf::down_msg& down) {
  if (down.source == config->router.address())
    return self->quit(to_caf_error({errc::actor_lost, "the router ended", "response-cache", {}}));
  self->state.watched_sinks.erase(down.source);
  if (config->batches && down.source == config->batches.address())
    return self->quit(to_caf_error({errc::actor_lost, "the batch desk ended", "response-cache", {}}));
  std::vector<run_id> orphans;
  for (const auto& [run, lane] : self->state.lanes)
    if (lane.sink.address() == down.source)
      orphans.push_back(run);
  for (const auto run : orphans) {
    self->send(behind(*config, self->state.lanes.at(run).where),
               withdraw_calls{run, milliseconds{0}, {}, true});
    drop_lane(self, config, run, true);
  }
}

void on_credit(self_pointer self, const lane_credit& credit) {
  const auto found = self->state.lanes.find(credit.run);
  if (found == self->state.lanes.end())
    return;
  found->second.credit = credit.calls;
  self->send(found->second.sink, credit);
}

void on_tick(self_pointer self, const config_ptr& config) {
  self->state.ticking = false;
  begin_counting(self, config);
  remove_oldest(self, config, true);
  if (!self->state.lanes.empty())
    start_ticking(self, config);
}

gauges read(const response_cache_state& state) {
  const auto number = [](metric family, uint64_t value) {
    return gauge{family, {}, static_cast<double>(value)};
  };
  return {{number(metric::cache_answers, state.answers), number(metric::cache_bytes, state.bytes),
           number(metric::cache_hits_total, state.hits), number(metric::cache_misses_total, state.misses),
           number(metric::cache_joined_total, state.joined)},
          {}};
}

} // namespace

response_cache_actor::behavior_type response_cache(self_pointer self, response_cache_config given) {
  const auto config = std::make_shared<const response_cache_config>(std::move(given));
  self->monitor(config->router);
  if (config->batches)
    self->monitor(config->batches);
  self->set_down_handler([self, config](const caf::down_msg& down) { on_down(self, config, down); });
  return {
      [self, config](const open_lane& wish) { add_lane(self, config, wish); },
      [self, config](call_batch& batch) { on_calls(self, config, batch); },
      [self, config](const withdraw_calls& wish) { withdraw(self, config, wish); },
      [](const recall_calls&) {}, // Nobody stands before the cache who could take the calls.
      [self, config](const deltas_taken& taken) { self->send(config->router, taken); },
      [self, config](const close_lane& wish) { drop_lane(self, config, wish.run, wish.keep_batches); },
      [self, config](call_outcome_batch& batch) { on_outcomes(self, config, batch); },
      [self](const lane_credit& credit) { on_credit(self, credit); },
      [self](const call_delta& delta) { on_delta(self, delta); },
      [](const calls_on_the_wire&) {}, // The router's business.
      [self, config](const committed& news) { on_committed(self, config, news); },
      [self](const read_gauges&) { return read(self->state); },
      [self, config](const cache_counted& news) { on_counted(self, config, news); },
      [self, config](const cache_oldest_found& found) { on_oldest(self, config, found); },
      [self, config](const tick&) { on_tick(self, config); },
  };
}

} // namespace assay
