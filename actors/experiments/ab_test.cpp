#include "actors/experiments/ab_test.hpp"

#include "actors/experiments/ab_test_detail.hpp"
#include "protocol/errors.hpp"

#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <set>

namespace assay {

namespace ab_test_detail {

namespace {

constexpr std::chrono::seconds store_timeout{5};
/// Of one message: what fits into a handler's time.
constexpr size_t most_at_once = 200;

} // namespace

std::string text_of(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }

namespace {

json analysis_now(const ab_test_state& state) {
  auto out = state.tally->analysis();
  out["status"] = std::string(to_string(state.record.state));
  out["version"] = state.record.version;
  out["ended_because"] =
      state.record.ended_because.empty() ? json(nullptr) : json(state.record.ended_because);
  if (state.record.run)
    out["run"] = run_json(state.record.test, *state.record.run, is_final(state.record.state));
  return out;
}

} // namespace

void start_ticking(self_pointer self, const context_ptr& with) {
  if (!std::exchange(self->state.ticking, true))
    self->delayed_send(self, with->config.tick_interval, tick{});
}

namespace {

// -- writing -----------------------------------------------------------------------------------------------

/// The newest says everything, so what came since the last tick is one piece of news.
void tell_listeners(self_pointer self, const context_ptr& with) {
  auto& state = self->state;
  if (!std::exchange(state.news, false) || !with->config.event_hub)
    return;
  publish_events message;
  message.events.push_back({ab_test_channel(state.record.test.id), state.record.sequence(),
                            event_type::ab_test_analysis, with->config.wall(),
                            shared_text{text_of(analysis_now(state))}});
  self->send(with->config.event_hub, std::move(message));
}

/// What was changed in memory is not in the store: only the store counts, so the test is read anew.
void give_up(self_pointer self, const fault& reason) {
  for (auto& [number, one] : std::exchange(self->state.writing, {}))
    if (one.first.pending())
      one.first.deliver(to_caf_error(reason));
  spdlog::error("an A/B test could not be written test={} error=\"{}\"", self->state.record.test.id,
                to_string(reason));
  self->quit(to_caf_error(reason));
}

void on_written(self_pointer self, const context_ptr& with, uint64_t number, const std::string& stored,
                bool ends) {
  auto& state = self->state;
  self->send(with->parent, ab_test_changed{state.record.test.id, stored});
  state.news = true;
  if (ends || !state.ticking)
    tell_listeners(self, with);
  if (auto node = state.writing.extract(number); node && node.mapped().first.pending())
    node.mapped().first.deliver(std::move(node.mapped().second));
  if (ends && state.writing.empty())
    self->quit();
}

} // namespace

/// Makes the record and @p rows durable, and answers then.
void write(self_pointer self, const context_ptr& with, std::vector<document_change> rows, promise who,
           ab_answer answer) {
  auto& state = self->state;
  const auto number = state.next_write++;
  answer.version = state.record.version;
  state.writing.emplace(number, std::make_pair(std::move(who), std::move(answer)));
  auto stored = experiments::to_stored(state.record);
  const bool ends = is_final(state.record.state);
  append_and_wait message;
  message.batch.documents = std::move(rows);
  message.batch.documents.push_back({"ab_tests", state.record.test.id, stored, false, std::nullopt});
  self->request(with->config.journal, store_timeout, std::move(message))
      .then(
          [self, with, number, stored = std::move(stored), ends](const committed& done) {
            if (done.error)
              return give_up(self, *done.error);
            on_written(self, with, number, stored, ends);
          },
          [self](const caf::error& reason) { give_up(self, to_fault(reason)); });
}

namespace {

void end_with_analysis(ab_test_state& state) { state.record.analysis = text_of(analysis_now(state)); }

} // namespace

void complete(self_pointer self, const context_ptr& with, std::string why) {
  experiments::complete(self->state.record, with->config.wall(), std::move(why));
  end_with_analysis(self->state);
  command_runs(self, with, run_verb::cancel);
}

namespace {

// -- questions ---------------------------------------------------------------------------------------------

} // namespace

void refuse(promise& who, const fault& reason) { who.deliver(to_caf_error(reason)); }

namespace {

void tell(promise& who, ab_answer answer) { who.deliver(std::move(answer)); }

} // namespace

fault not_running(const experiments::ab_record& record, const char* wish) {
  return {errc::invalid_transition,
          "the test '" + record.test.id + "' is " + std::string(to_string(record.state)) + " and takes no "
              + wish,
          {},
          is_final(record.state) ? "create another test" : "start it first"};
}

namespace {

void change_state(self_pointer self, const context_ptr& with, const ask_ab_test& wish, promise who) {
  auto& state = self->state;
  const auto now = with->config.wall();
  auto changed = wish.verb == ab_verb::start ? experiments::start(state.record, now)
                 : wish.verb == ab_verb::pause
                     ? experiments::pause(state.record)
                     : experiments::stop(state.record, now, "stopped by " + wish.who.value);
  if (!changed)
    return refuse(who, changed.error());
  if (*changed && is_final(state.record.state))
    end_with_analysis(state);
  if (*changed)
    command_runs(self, with,
                 wish.verb == ab_verb::start   ? run_verb::resume
                 : wish.verb == ab_verb::pause ? run_verb::pause
                                               : run_verb::cancel);
  ab_answer answer{text_of(to_json(state.record)), state.record.version};
  if (!*changed)
    return tell(who, std::move(answer));
  if (state.record.state == ab_state::running)
    start_ticking(self, with);
  write(self, with, {}, std::move(who), std::move(answer));
}

void select(self_pointer self, const context_ptr& with, const ask_ab_test& wish, promise who) {
  auto& record = self->state.record;
  if (record.state != ab_state::running && record.state != ab_state::paused)
    return refuse(who, not_running(record, "selections"));
  if (wish.body.size() > experiments::longest_unit)
    return refuse(who, {errc::invalid_argument, "is longer than 256 bytes", "unit", {}});
  const bool drawn = wish.body.empty();
  const auto chosen = drawn ? experiments::variant_of_draw(record.test, record.draws())
                            : experiments::variant_of_unit(record.test, wish.body);
  ++(drawn ? record.drawn : record.assigned)[chosen];
  write(self, with, {}, std::move(who),
        {text_of(experiments::selection_json(record.test, chosen, wish.body)), 0});
}

result<std::vector<experiments::observation>> read_observations(const ab_test_state& state,
                                                                const std::string& body) {
  const auto given = json::parse(body, nullptr, false);
  if (!given.is_object())
    return fault{errc::malformed_input, "observations are a JSON object", "body", {}};
  const auto many = given.find("observations");
  const size_t count = many == given.end() ? 1 : many->is_array() ? many->size() : 0;
  if (count == 0 || count > most_at_once)
    return fault{errc::invalid_argument,
                 "must be a list of 1 to " + std::to_string(most_at_once) + " observations",
                 "observations",
                 {}};
  if (state.tally->count() + count > experiments::most_observations)
    return fault{errc::too_large,
                 "the test takes " + std::to_string(experiments::most_observations) + " observations in all",
                 "observations",
                 {}};
  std::vector<experiments::observation> out;
  std::set<std::pair<std::string, size_t>> units;
  for (size_t i = 0; i < count; ++i) {
    const auto place = many == given.end() ? std::string{} : "observations[" + std::to_string(i) + "]";
    auto one = experiments::observation_from_json(state.record.test, many == given.end() ? given : (*many)[i],
                                                  place);
    if (!one)
      return one.error();
    auto fits = state.tally->check(*one);
    if (fits && state.record.test.paired && !units.emplace(one->unit, one->variant).second)
      fits = fault{errc::conflict, "the unit is in this list twice under one variant", "unit", {}};
    if (!fits) {
      auto reason = fits.error();
      reason.where = place.empty() ? reason.where : place + "." + reason.where;
      return reason;
    }
    out.push_back(std::move(*one));
  }
  return out;
}

} // namespace

void end_if_decided(self_pointer self, const context_ptr& with, const experiments::ab_verdict& seen) {
  auto& state = self->state;
  if (seen.winner && (state.record.test.stop_when_decided || state.record.run))
    complete(self, with, "decided: '" + state.record.test.variants[*seen.winner].name + "' won");
  else if (state.tally->count() >= experiments::most_observations)
    complete(self, with, "the test has all the observations it takes");
}

namespace {

void observe(self_pointer self, const context_ptr& with, const ask_ab_test& wish, promise who) {
  auto& state = self->state;
  auto& record = state.record;
  if (record.state != ab_state::running)
    return refuse(who, not_running(record, "observations"));
  if (record.run)
    return refuse(who,
                  {errc::conflict, "the test runs by itself and takes no observations of others", {}, {}});
  auto seen = read_observations(state, wish.body);
  if (!seen)
    return refuse(who, seen.error());
  std::vector<document_change> rows;
  for (const auto& one : *seen) {
    if (auto added = state.tally->add(one); !added)
      return give_up(self, added.error());
    rows.push_back({"ab_observations", observation_key(record, record.observations++),
                    text_of(experiments::to_json(record.test, one)), false, std::nullopt});
  }
  const auto verdict = state.tally->verdict(false);
  end_if_decided(self, with, verdict);
  json answer{{"test_id", record.test.id},
              {"recorded", seen->size()},
              {"total_samples", record.observations},
              {"status", std::string(to_string(record.state))},
              {"winner", verdict.winner ? json(record.test.variants[*verdict.winner].name) : json(nullptr)},
              {"significant", verdict.winner.has_value()}};
  write(self, with, std::move(rows), std::move(who), {text_of(answer), 0});
}

void answer_best(const ab_test_state& state, promise& who) {
  const auto best = experiments::best_configuration(state.record.test, state.tally->analysis());
  if (!best)
    return refuse(who, best.error());
  tell(who, {*best, state.record.version});
}

void serve(self_pointer self, const context_ptr& with, const ask_ab_test& wish, promise who) {
  auto& state = self->state;
  if (wish.version && *wish.version != state.record.version)
    return refuse(who, {errc::conflict,
                        "the test has version " + std::to_string(state.record.version) + ", not "
                            + std::to_string(*wish.version),
                        "If-Match", "read it again"});
  switch (wish.verb) {
  case ab_verb::start:
  case ab_verb::pause:
  case ab_verb::stop:
    return change_state(self, with, wish, std::move(who));
  case ab_verb::select:
    return select(self, with, wish, std::move(who));
  case ab_verb::observe:
    return observe(self, with, wish, std::move(who));
  case ab_verb::run:
    return run_by_itself(self, with, wish, std::move(who));
  case ab_verb::analyze:
    return tell(who, {text_of(analysis_now(state)), state.record.version});
  case ab_verb::best_configuration:
    return answer_best(state, who);
  case ab_verb::show:
    return tell(who, {text_of(to_json(state.record)), state.record.version});
  case ab_verb::create:
  case ab_verb::list:
  case ab_verb::erase:
    break;
  }
  refuse(who, {errc::internal, "a question for the tests' supervisor", {}, {}});
}

caf::result<ab_answer> ask(self_pointer self, const context_ptr& with, const ask_ab_test& wish) {
  auto& state = self->state;
  auto who = self->make_response_promise<ab_answer>();
  if (state.recalled)
    serve(self, with, wish, who);
  else if (state.waiting.size() >= with->config.max_waiting)
    refuse(who, {errc::busy, "the test is being read from the store", {}, "try again in a moment"});
  else
    state.waiting.emplace_back(wish, who);
  return who;
}

// -- reading back ------------------------------------------------------------------------------------------

void read_observations_back(self_pointer self, const context_ptr& with) {
  const auto job = [target = ab_test_actor{self}, read = with->config.read.observations,
                    prefix = observations_prefix(self->state.record)] {
    read(prefix, [&](ab_observations_recalled&& part) { caf::anon_send(target, std::move(part)); });
  };
  if (!with->config.workers->submit(job))
    self->quit(to_caf_error({errc::busy, "no worker is free to read a test's observations", {}, {}}));
}

/// What an earlier keeper of the test has appended may still be on its way to the store: it counts.
void recall(self_pointer self, const context_ptr& with) {
  self->request(with->config.journal, store_timeout, flush_journal{})
      .then([self, with](const committed&) { read_observations_back(self, with); },
            [self, with](const caf::error& error) {
              if (takes_nothing_more(to_fault(error)))
                read_observations_back(self, with);
              else
                start_ticking(self, with);
            });
}

/// The time may have passed while the farm was away.
void end_if_late(self_pointer self, const context_ptr& with) {
  auto& state = self->state;
  if (is_final(state.record.state) || !state.record.ends_at || with->config.wall() < *state.record.ends_at)
    return;
  complete(self, with, "max_duration_hours have passed");
  write(self, with, {}, promise{}, {});
}

void begin(self_pointer self, const context_ptr& with) {
  auto& state = self->state;
  state.recalled = true;
  // The rows are what there is; the record's number was written with them.
  if (state.tally->count() != state.record.observations)
    spdlog::warn("an A/B test has other observations than it should test={} rows={} told={}",
                 state.record.test.id, state.tally->count(), state.record.observations);
  // A write that was given up may have come through: its rows must not be written over.
  state.record.observations = std::max(state.record.observations, state.tally->count());
  if (state.record.ends_at)
    start_ticking(self, with);
  go_on_with_runs(self, with);
  end_if_late(self, with);
  for (auto& [wish, who] : std::exchange(state.waiting, {}))
    serve(self, with, wish, who);
}

void take_rows(self_pointer self, const context_ptr& with, const ab_observations_recalled& part) {
  auto& state = self->state;
  if (part.error)
    return self->quit(to_caf_error(*part.error));
  for (const auto& row : part.rows) {
    const auto value = json::parse(row, nullptr, false);
    const auto one = experiments::observation_from_json(state.record.test, value);
    if (!one || !state.tally->add(*one))
      spdlog::warn("an A/B test's observation cannot be read test={}", state.record.test.id);
  }
  if (part.last)
    begin(self, with);
}

} // namespace
} // namespace ab_test_detail

using namespace ab_test_detail;

ab_test_actor::behavior_type ab_test_keeper(self_pointer self, ab_test_config config,
                                            ab_test_supervisor_actor parent) {
  auto& state = self->state;
  state.record = config.record;
  state.tally.emplace(state.record.test);
  const auto with = std::make_shared<const context>(context{std::move(config), std::move(parent)});
  if (with->config.workers && with->config.read.observations)
    recall(self, with);
  else
    begin(self, with);
  return {
      [self, with](const ask_ab_test& wish) { return ask(self, with, wish); },
      [self, with](const ab_observations_recalled& part) { take_rows(self, with, part); },
      [self, with](const ab_run_news& news) { take_run_news(self, with, news); },
      [self, with](const tick&) {
        self->state.ticking = false;
        if (!self->state.recalled)
          return recall(self, with);
        end_if_late(self, with);
        go_on_with_runs(self, with);
        tell_listeners(self, with);
        if (!is_final(self->state.record.state))
          start_ticking(self, with);
      },
  };
}

} // namespace assay
