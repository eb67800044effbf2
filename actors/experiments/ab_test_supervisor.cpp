#include "actors/experiments/ab_test_supervisor.hpp"

#include "protocol/errors.hpp"

#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

namespace assay {

namespace {

using json = nlohmann::json;
using self_pointer = ab_test_supervisor_actor::stateful_pointer<ab_test_supervisor_state>;
using config_ptr = std::shared_ptr<const ab_test_supervisor_config>;
using entry = ab_test_supervisor_state::entry;
using promise = ab_test_supervisor_state::promise;
using experiments::ab_state;

constexpr std::chrono::seconds store_timeout{5};
/// Of one write that erases.
constexpr uint64_t rows_a_write = 1'000;

std::string text_of(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }

void start_child(self_pointer self, const config_ptr& config, entry& one) {
  ab_test_config child;
  child.record = one.record;
  child.read = config->read;
  child.workers = config->workers;
  child.journal = config->journal;
  child.event_hub = config->event_hub;
  child.runs = config->runs;
  child.tick_interval = config->tick_interval;
  child.wall = config->wall;
  one.restart_at.reset();
  one.child = self->spawn(ab_test_keeper, std::move(child), ab_test_supervisor_actor{self});
  self->state.family.adopt(self, one.child);
}

/// Asks the journal; @p done hears whether it is durable.
template <class Done>
void write(self_pointer self, const config_ptr& config, std::vector<document_change> changes, Done done) {
  append_and_wait message;
  message.batch.documents = std::move(changes);
  self->request(config->journal, store_timeout, std::move(message))
      .then([done](const committed& news) { done(news.error); },
            [done](const caf::error& reason) { done(std::optional<fault>{to_fault(reason)}); });
}

// -- creating ----------------------------------------------------------------------------------------------

std::optional<fault> no_room_for(const ab_test_supervisor_state& state,
                                 const ab_test_supervisor_config& config, const std::string& id,
                                 const user_id& owner) {
  if (state.tests.contains(id) || state.creating.contains(id))
    return fault{errc::conflict, "there is a test '" + id + "' already", "test_id",
                 "choose another id, or delete that test"};
  const auto own = static_cast<size_t>(
      std::ranges::count_if(state.tests, [&](const auto& one) { return one.second.record.owner == owner; }));
  if (state.tests.size() + state.creating.size() >= config.most_tests || own >= config.most_tests_of_one)
    return fault{errc::busy, "there are as many A/B tests as the farm keeps", {}, "delete some"};
  return std::nullopt;
}

void on_created(self_pointer self, const config_ptr& config, const experiments::ab_record& record,
                promise who, const std::optional<fault>& failed) {
  self->state.creating.erase(record.test.id);
  if (failed) {
    who.deliver(to_caf_error(*failed));
    return;
  }
  auto& one = self->state.tests[record.test.id];
  one.record = record;
  one.policy = restart_policy{config->limits};
  start_child(self, config, one);
  who.deliver(ab_answer{text_of(to_json(record)), record.version});
}

caf::result<ab_answer> create(self_pointer self, const config_ptr& config, const ask_ab_test& wish) {
  auto& state = self->state;
  auto test = experiments::ab_test_from_json(json::parse(wish.body, nullptr, false));
  if (!test)
    return to_caf_error(test.error());
  if (auto reason = no_room_for(state, *config, test->id, wish.who))
    return to_caf_error(*reason);
  const auto record = std::make_shared<const experiments::ab_record>(
      experiments::make_record(std::move(*test), wish.who, config->wall()));
  state.creating.insert(record->test.id);
  auto who = self->make_response_promise<ab_answer>();
  write(self, config, {{"ab_tests", record->test.id, experiments::to_stored(*record), false, std::nullopt}},
        [self, config, record, who](const std::optional<fault>& failed) {
          on_created(self, config, *record, who, failed);
        });
  return who;
}

// -- erasing -----------------------------------------------------------------------------------------------

void on_erased(self_pointer self, const config_ptr& config, const std::string& id,
               const std::optional<fault>& failed) {
  const auto found = self->state.tests.find(id);
  if (found == self->state.tests.end())
    return;
  auto& one = found->second;
  auto who = std::exchange(one.eraser, {});
  one.erasing = false;
  if (failed) {
    if (!is_final(one.record.state))
      start_child(self, config, one);
    who.deliver(to_caf_error(*failed));
    return;
  }
  self->state.tests.erase(found);
  who.deliver(ab_answer{text_of({{"test_id", id}, {"deleted", true}}), 0});
}

/// The observations first: what is left after a crash is a test that can be erased again.
void erase_rows(self_pointer self, const config_ptr& config, const std::string& id, uint64_t from) {
  const auto found = self->state.tests.find(id);
  if (found == self->state.tests.end())
    return;
  const auto& record = found->second.record;
  const auto until = std::min(record.observations, from + rows_a_write);
  std::vector<document_change> changes;
  for (auto i = from; i < until; ++i)
    changes.push_back({"ab_observations", observation_key(record, i), std::nullopt, false, std::nullopt});
  const bool last = until == record.observations;
  if (last)
    changes.push_back({"ab_tests", id, std::nullopt, false, std::nullopt});
  write(self, config, std::move(changes),
        [self, config, id, until, last](const std::optional<fault>& failed) {
          if (!failed && !last)
            return erase_rows(self, config, id, until);
          on_erased(self, config, id, failed);
        });
}

caf::result<ab_answer> erase(self_pointer self, const config_ptr& config, entry& one,
                             const ask_ab_test& wish) {
  if (wish.version && *wish.version != one.record.version)
    return to_caf_error({errc::conflict,
                         "the test has version " + std::to_string(one.record.version) + ", not "
                             + std::to_string(*wish.version),
                         "If-Match", "read it again"});
  if (one.record.state == ab_state::running)
    return to_caf_error(
        {errc::invalid_transition, "the test '" + one.record.test.id + "' is running", {}, "stop it first"});
  one.erasing = true;
  one.restart_at.reset();
  one.eraser = self->make_response_promise<ab_answer>();
  auto who = one.eraser;
  // What the child has written last must come before.
  if (one.child)
    self->send_exit(one.child, caf::exit_reason::kill);
  else
    erase_rows(self, config, one.record.test.id, 0);
  return who;
}

// -- asking ------------------------------------------------------------------------------------------------

caf::result<ab_answer> list(const ab_test_supervisor_state& state, const ask_ab_test& wish) {
  std::vector<const experiments::ab_record*> shown;
  for (const auto& [id, one] : state.tests)
    if (!one.erasing && (wish.sees_all || one.record.owner == wish.who))
      shown.push_back(&one.record);
  std::ranges::stable_sort(shown, [](const auto* a, const auto* b) { return a->created_at > b->created_at; });
  auto out = json::array();
  for (const auto* one : shown)
    out.push_back(to_json(*one));
  return ab_answer{text_of(out), 0};
}

/// Of a test that has ended.
caf::result<ab_answer> answer_of_ended(const experiments::ab_record& record, ab_verb verb) {
  const auto ended = [&](const char* wish) {
    return to_caf_error({errc::invalid_transition,
                         "the test '" + record.test.id + "' is " + std::string(to_string(record.state))
                             + " and takes no " + wish,
                         {},
                         "create another test"});
  };
  switch (verb) {
  case ab_verb::select:
    return ended("selections");
  case ab_verb::observe:
    return ended("observations");
  case ab_verb::start:
  case ab_verb::pause:
  case ab_verb::run:
    return ended("further verbs");
  case ab_verb::analyze:
    return ab_answer{record.analysis, record.version};
  case ab_verb::best_configuration: {
    const auto best =
        experiments::best_configuration(record.test, json::parse(record.analysis, nullptr, false));
    if (!best)
      return to_caf_error(best.error());
    return ab_answer{*best, record.version};
  }
  default:
    return ab_answer{text_of(to_json(record)), record.version};
  }
}

bool only_reads(ab_verb verb) {
  return verb == ab_verb::show || verb == ab_verb::analyze || verb == ab_verb::best_configuration;
}

caf::result<ab_answer> ask(self_pointer self, const config_ptr& config, ask_ab_test& wish) {
  auto& state = self->state;
  if (!state.recalled)
    return to_caf_error({errc::busy, "the A/B tests are being read", {}, "try again in a moment"});
  if (wish.verb == ab_verb::create)
    return create(self, config, wish);
  if (wish.verb == ab_verb::list)
    return list(state, wish);
  const auto found = state.tests.find(wish.test);
  const bool mine = found != state.tests.end() && found->second.record.owner == wish.who;
  if (found == state.tests.end() || found->second.erasing || (!mine && !wish.sees_all))
    return to_caf_error(
        {errc::not_found, "there is no A/B test '" + wish.test + "'", {}, "GET /ab-tests lists them"});
  if (!mine && !wish.changes_all && !only_reads(wish.verb))
    return to_caf_error(
        {errc::forbidden, "the A/B test '" + wish.test + "' belongs to somebody else", {}, {}});
  auto& one = found->second;
  if (wish.verb == ab_verb::erase)
    return erase(self, config, one, wish);
  if (is_final(one.record.state))
    return answer_of_ended(one.record, wish.verb);
  if (!one.child)
    return to_caf_error({errc::busy, "the test is being started again", {}, "try again in a moment"});
  return self->delegate(one.child, std::move(wish));
}

// -- falling and rising ------------------------------------------------------------------------------------

void on_down(self_pointer self, const config_ptr& config, const caf::down_msg& down) {
  auto& state = self->state;
  if (!state.family.release(down.source))
    return;
  const auto found = std::ranges::find_if(state.tests, [&](const auto& one) {
    return one.second.child && one.second.child.address() == down.source;
  });
  if (found == state.tests.end())
    return;
  auto& one = found->second;
  one.child = ab_test_actor{};
  if (one.erasing)
    return erase_rows(self, config, found->first, 0);
  // Its test has ended; the news of it may come after this.
  if (!down.reason || down.reason == caf::exit_reason::normal)
    return;
  const auto now = self->clock().now();
  const auto wait = one.policy.on_fall(now, state.chance.roll());
  if (!wait)
    return self->quit(to_caf_error({errc::actor_lost,
                                    "the A/B test '" + found->first + "' fell too often, the last time by: "
                                        + to_fault(down.reason).message,
                                    "ab-test-supervisor",
                                    {}}));
  one.restart_at = now + *wait;
  self->delayed_send(self, *wait, tick{});
}

void begin_recall(self_pointer self, const config_ptr& config);

void on_tick(self_pointer self, const config_ptr& config) {
  if (!self->state.recalled)
    return begin_recall(self, config);
  const auto now = self->clock().now();
  for (auto& [id, one] : self->state.tests)
    if (one.restart_at && *one.restart_at <= now)
      start_child(self, config, one);
}

/// A test may have ended just before the farm did, and its runs not have heard of it.
void end_runs(self_pointer self, const config_ptr& config, const experiments::ab_record& record) {
  if (!record.run || !config->runs || !record.ended_at
      || *record.ended_at + std::chrono::hours{24} < config->wall())
    return;
  for (const auto& arm : record.run->arms) {
    if (!arm.run.empty() && !arm.done)
      self->request(config->runs, store_timeout, command_run{arm.run, run_verb::cancel})
          // A run that has ended refuses, which is well.
          .then([](const run_record&) {}, [](const caf::error&) {});
  }
}

void take_tests(self_pointer self, const config_ptr& config, const ab_tests_recalled& news) {
  auto& state = self->state;
  if (news.error)
    return self->quit(to_caf_error(*news.error));
  for (const auto& text : news.records) {
    auto record = experiments::record_from_stored(text);
    if (!record) {
      ++state.unreadable;
      spdlog::warn("an A/B test is left out error=\"{}\"", to_string(record.error()));
      continue;
    }
    auto& one = state.tests[record->test.id];
    one.record = std::move(*record);
    one.policy = restart_policy{config->limits};
    if (!is_final(one.record.state))
      start_child(self, config, one);
    else
      end_runs(self, config, one.record);
  }
  state.recalled = true;
}

void on_changed(ab_test_supervisor_state& state, const ab_test_changed& news) {
  const auto found = state.tests.find(news.test);
  if (found == state.tests.end())
    return;
  if (auto record = experiments::record_from_stored(news.record))
    found->second.record = std::move(*record);
}

void recall(self_pointer self, const config_ptr& config) {
  const auto job = [target = ab_test_supervisor_actor{self}, read = config->read.tests] {
    caf::anon_send(target, read());
  };
  if (!config->workers->submit(job))
    self->quit(to_caf_error({errc::busy, "no worker is free to read the A/B tests", {}, {}}));
}

/// What an earlier supervisor and its children have appended may still be on its way to the store: it counts.
void begin_recall(self_pointer self, const config_ptr& config) {
  if (!config->workers || !config->read.tests) {
    self->state.recalled = true;
    return;
  }
  self->request(config->journal, store_timeout, flush_journal{})
      .then([self, config](const committed&) { recall(self, config); },
            [self, config](const caf::error& error) {
              const auto reason = to_fault(error);
              if (takes_nothing_more(reason))
                return recall(self, config);
              spdlog::warn("A/B tests wait for the store reason=\"{}\"", reason.message);
              self->delayed_send(self, config->tick_interval, tick{});
            });
}

gauges count(const ab_test_supervisor_state& state) {
  gauges out;
  std::map<ab_state, double> by_state;
  for (const auto& [id, one] : state.tests)
    ++by_state[one.record.state];
  for (const auto& [which, number] : by_state)
    out.values.push_back({metric::ab_tests, {std::string(to_string(which))}, number});
  return out;
}

} // namespace

ab_test_supervisor_actor::behavior_type ab_test_supervisor(self_pointer self,
                                                           ab_test_supervisor_config given) {
  self->state.chance = dice{given.seed};
  self->state.family.shield(self);
  const auto config = std::make_shared<const ab_test_supervisor_config>(std::move(given));
  self->set_down_handler([self, config](const caf::down_msg& down) { on_down(self, config, down); });
  begin_recall(self, config);
  return {
      [self, config](ask_ab_test& wish) { return ask(self, config, wish); },
      [self](const read_gauges&) { return count(self->state); },
      [self, config](const ab_tests_recalled& news) { take_tests(self, config, news); },
      [self](const ab_test_changed& news) { on_changed(self->state, news); },
      [self, config](const tick&) { on_tick(self, config); },
  };
}

} // namespace assay
